//! A sequence of choices that a generator consumes.
//!
//! Everything generated here is a function of a vector of small numbers. proptest makes and shrinks the vector; zero, and the end of the vector, always
//! mean the simplest choice, so that a shorter or smaller vector gives a simpler case, however deep the structure is.

/// A cursor over a vector of choices.
#[derive(Debug, Clone)]
pub struct Choices<'a> {
    numbers: &'a [u16],
    next: usize,
}

impl<'a> Choices<'a> {
    /// Choices from `numbers`.
    pub fn new(numbers: &'a [u16]) -> Choices<'a> {
        Choices { numbers, next: 0 }
    }

    /// Whether all numbers have been used.
    pub fn is_empty(&self) -> bool {
        self.next >= self.numbers.len()
    }

    /// A number below `bound` (which must not be 0); 0 at the end.
    pub fn below(&mut self, bound: usize) -> usize {
        let number = self.numbers.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        usize::from(number) % bound
    }

    /// True once in `one_in` times; false at the end.
    pub fn rarely(&mut self, one_in: usize) -> bool {
        self.below(one_in) + 1 == one_in
    }

    /// One of `items`, which must not be empty.
    pub fn pick<'b, T>(&mut self, items: &'b [T]) -> &'b T {
        &items[self.below(items.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exhausted_sequence_always_chooses_the_simplest() {
        let mut choices = Choices::new(&[7]);
        assert_eq!(choices.below(5), 2);
        assert!(choices.is_empty());
        assert_eq!(choices.below(5), 0);
        assert!(!choices.rarely(3));
        assert_eq!(*choices.pick(&["a", "b"]), "a");
    }
}
