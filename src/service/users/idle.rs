//! Accounts that nobody uses any more (`users.deactivateIdle`, contract 9.6).

use crate::domain::audit::AuditContext;
use crate::domain::ids::RoleId;
use crate::domain::user_change::IdleAccounts;
use crate::service::{Caller, Result, Services};

/// Accounts that one operation of the store deactivates; a longer one would keep other changes waiting.
const AT_ONCE: u64 = 50;

impl Services {
    /// Deactivates accounts with that role whose last log-in is at least so many days ago; how many it were. What cannot
    /// be spared (the last administrator, the last who administers permissions, the last Owner of an organization) stays,
    /// and so does the caller, who may be a program with a token older than its last log-in. When the store fails
    /// midway, those deactivated by then stay so; asking again goes on from there.
    ///
    /// # Errors
    /// What the store says.
    pub async fn deactivate_idle_users(&self, caller: &Caller, days: i64, role: &str) -> Result<u64> {
        let Ok(role) = RoleId::parse(role) else { return Ok(0) };
        let since = self.clock.now().plus_days(days.saturating_neg());
        let idle = IdleAccounts { role, since, except: caller.user.id.clone() };
        let mut count = 0;
        loop {
            // Of several operations none has the answer: it is kept after the last one, which changes nothing.
            let by = AuditContext { receipt: None, ..self.audit(caller) };
            let deactivated = self.store.deactivate_idle_users(&idle, AT_ONCE, &by).await?;
            count += deactivated;
            if deactivated == 0 {
                return Ok(count);
            }
        }
    }
}
