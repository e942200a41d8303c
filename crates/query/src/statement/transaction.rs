//! BEGIN, COMMIT and ROLLBACK, with the options that mean what we do anyway.
//!
//! There is one isolation level, strong snapshot isolation. The names of weaker levels are accepted, because it gives all that
//! they promise; SERIALIZABLE promises more and is refused. Savepoints and chained transactions are refused.
//!
//! Callers: `statement`.

use datafusion_sql::sqlparser::ast::{Statement, TransactionAccessMode, TransactionIsolationLevel, TransactionMode};

use crate::error::{Error, Result};

/// A statement that begins or ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionControl {
    /// BEGIN or START TRANSACTION.
    Begin,
    /// COMMIT or END.
    Commit,
    /// ROLLBACK or ABORT.
    Rollback,
}

impl TransactionControl {
    /// The statement, if it is one of these.
    pub(crate) fn recognise(statement: &Statement) -> Result<Option<TransactionControl>> {
        match statement {
            Statement::StartTransaction { modes, modifier, statements, exception, .. } => {
                if modifier.is_some() || !statements.is_empty() || exception.is_some() {
                    return Err(Error::not_supported(format!("{statement}")));
                }
                modes.iter().try_for_each(check_mode)?;
                Ok(Some(TransactionControl::Begin))
            }
            Statement::Commit { chain: false, modifier: None, .. } => Ok(Some(TransactionControl::Commit)),
            Statement::Rollback { chain: false, savepoint: None } => Ok(Some(TransactionControl::Rollback)),
            Statement::Commit { .. } | Statement::Rollback { .. } => Err(Error::not_supported(format!("{statement}"))),
            Statement::Savepoint { .. } | Statement::ReleaseSavepoint { .. } => {
                Err(Error::not_supported("a savepoint"))
            }
            _ => Ok(None),
        }
    }
}

fn check_mode(mode: &TransactionMode) -> Result<()> {
    match mode {
        TransactionMode::AccessMode(TransactionAccessMode::ReadOnly) => {
            Err(Error::not_supported("a READ ONLY transaction (use a snapshot)"))
        }
        TransactionMode::IsolationLevel(TransactionIsolationLevel::Serializable) => {
            Err(Error::not_supported("ISOLATION LEVEL SERIALIZABLE (transactions are snapshot isolated)"))
        }
        TransactionMode::AccessMode(_) | TransactionMode::IsolationLevel(_) => Ok(()),
    }
}
