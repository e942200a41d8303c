//! The commit queue: transactions in the order in which they came, and who is next to lead.
//!
//! Whoever writes puts a ticket in and either becomes the leader of all that wait, or sleeps. A sleeper is woken once: with
//! its outcome, or because it is the first in the queue and there is a leader missing. So a commit costs at most one switch
//! to its writer's thread, and threads whose tickets somebody else has taken do not come to ask for the commit lock.
//!
//! Invariant: the ticket at the front is older than all in the channel; both change under the lock of `front`, except that
//! writers add to the channel's end.
//! Cost: a push or a take locks twice, for nanoseconds. Called by the commit pipeline only.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use crate::ticket::Ticket;

/// Tickets that wait.
pub(crate) struct Queue {
    sender: Sender<Arc<Ticket>>,
    receiver: Receiver<Arc<Ticket>>,
    /// The oldest ticket, once somebody had to know who that is.
    front: Mutex<Option<Arc<Ticket>>>,
}

impl Queue {
    /// A queue for so many tickets.
    pub(crate) fn new(tickets_max: usize) -> Queue {
        let (sender, receiver) = bounded(tickets_max);
        Queue { sender, receiver, front: Mutex::new(None) }
    }

    /// Adds a ticket at the end. Waits for a place, and answers whether there was one in time.
    pub(crate) fn push(&self, ticket: Arc<Ticket>, wait_max: Duration) -> bool {
        self.sender.send_timeout(ticket, wait_max).is_ok()
    }

    /// Takes tickets for a group, in order, up to about so many bytes of changes. Those whose writers gave up are left out.
    pub(crate) fn take(&self, bytes_max: usize) -> Vec<Arc<Ticket>> {
        let mut front = self.front.lock();
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < bytes_max
            && let Some(ticket) = front.take().or_else(|| self.receiver.try_recv().ok())
        {
            if ticket.take() {
                bytes += ticket.request.bytes;
                taken.push(ticket);
            }
        }
        taken
    }

    /// Tells the writer of the oldest ticket that a leader is missing. Does nothing if nobody waits.
    pub(crate) fn wake_next(&self) {
        let mut front = self.front.lock();
        while let Some(ticket) = front.take().or_else(|| self.receiver.try_recv().ok()) {
            if ticket.call() {
                *front = Some(ticket);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use monostable_query::Catalog;
    use monostable_types::Epoch;

    use super::*;
    use crate::error::Error;
    use crate::ticket::{Request, Woken};

    const SHORT: Duration = Duration::from_millis(1);

    fn ticket(bytes: usize) -> Arc<Ticket> {
        let catalog = Arc::new(Catalog::default());
        Arc::new(Ticket::new(Request { snapshot: Epoch(0), catalog, writes: Vec::new(), keys: Vec::new(), bytes }))
    }

    fn filled(tickets: &[Arc<Ticket>]) -> Queue {
        let queue = Queue::new(tickets.len());
        assert!(tickets.iter().all(|ticket| queue.push(Arc::clone(ticket), SHORT)));
        queue
    }

    #[test]
    fn the_oldest_that_still_waits_is_called_and_once_is_enough() {
        let tickets = [ticket(1), ticket(1), ticket(1)];
        let queue = filled(&tickets);
        tickets[0].give_up(Error::Closed);
        queue.wake_next();
        queue.wake_next();
        assert_eq!(tickets[1].wait_for_turn(SHORT), Woken::ToLead);
        assert_eq!(tickets[1].wait_for_turn(SHORT), Woken::TimedOut, "a call is heard once");
        assert_eq!(tickets[2].wait_for_turn(SHORT), Woken::TimedOut);
        tickets[1].give_up(Error::Closed);
        queue.wake_next();
        assert_eq!(tickets[2].wait_for_turn(SHORT), Woken::ToLead, "who gave up is not called again");
    }

    #[test]
    fn tickets_are_taken_in_order_whether_or_not_one_was_called() {
        let tickets = [ticket(10), ticket(1), ticket(10), ticket(1)];
        let queue = filled(&tickets);
        queue.wake_next();
        let first = queue.take(11);
        assert!(first.iter().zip(&tickets).all(|(taken, given)| Arc::ptr_eq(taken, given)) && first.len() == 2);
        assert_eq!(tickets[0].wait_for_turn(SHORT), Woken::Taken);
        assert_eq!(queue.take(usize::MAX).len(), 2);
        assert!(queue.take(usize::MAX).is_empty());
    }

    #[test]
    fn a_full_queue_takes_no_more_until_some_are_taken() {
        let queue = filled(&[ticket(1)]);
        assert!(!queue.push(ticket(1), SHORT));
        assert_eq!(queue.take(usize::MAX).len(), 1);
        assert!(queue.push(ticket(1), SHORT));
    }
}
