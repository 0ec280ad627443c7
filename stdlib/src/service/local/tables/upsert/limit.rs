//! Items near their limit: their rows are merged one by one, because it depends on the rows before
//! whether one is still taken.

use super::{Merge, Run, Stored};
use crate::service::Refused;
use std::collections::HashMap;

impl<'a> Merge<'a> {
    /// Refuses the rows that would make the item too large, and leaves the attributes of the others
    /// in `order`; false where none is left.
    pub(super) fn within_limit(
        &mut self,
        key: &str,
        runs: &[Run<'a>],
        stored: Stored,
    ) -> rusqlite::Result<bool> {
        let columns = self.upserts.attributes.len();
        let max = self.limits.item;
        let mut total = stored.bytes;
        // The bytes of the attributes that were looked at or set.
        let mut known: HashMap<&'a str, Option<usize>> = HashMap::new();
        let mut taken = false;
        self.order.clear();
        for slot in runs.iter().flat_map(|run| run.slots.clone()) {
            let wanted = &self.rows.wanted[slot * columns..(slot + 1) * columns];
            let (mut added, mut removed) = (0, 0);
            for each in wanted {
                if stored.is_there && !known.contains_key(each.name) {
                    known.insert(each.name, self.statements.attribute(key, each.name)?);
                }
                added += each.bytes;
                removed += known.get(each.name).copied().flatten().unwrap_or(0);
            }
            let bytes = (total + added).saturating_sub(removed);
            if bytes > max {
                let message = format!(
                    "Item size to update has exceeded the maximum allowed size (item `{key}` \
                     would have {bytes} bytes, {max} are allowed)"
                );
                let row = self.rows.rows[slot];
                self.refused.push(Refused { row, code: "item_too_large", message });
                continue;
            }
            for each in wanted {
                let before = known.insert(each.name, Some(each.bytes)).flatten();
                total = (total + each.bytes).saturating_sub(before.unwrap_or(0));
            }
            taken = true;
            self.order.extend((slot * columns..(slot + 1) * columns).map(|at| at as u32));
        }
        Ok(taken)
    }
}
