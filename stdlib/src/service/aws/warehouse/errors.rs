//! What a failed load means: which objects are bad, or what stops all of them.

use super::api::Failure;
use super::load::{COPY, GUARD, select_errors, url};
use super::{Table, field_text};
use crate::service::{Copied, ObjectRef};
use engine::fault::{Fault, FaultClass};

/// What to do about a failed load.
pub enum Verdict {
    /// Look at the history again, then load what is still open.
    Again,
    /// Nobody says which object it was: load fewer together.
    Smaller,
    /// These objects of the load are bad, by index; the others are loaded without them.
    Refused(Vec<(usize, Copied)>),
}

/// Judges a failed load, which was begun at `begun_ns` by the service's clock.
///
/// # Errors
/// It is about no object: access, a missing table, the service itself.
pub async fn judge(
    table: &Table,
    objects: &[&ObjectRef],
    failure: &Failure,
    begun_ns: i128,
) -> Result<Verdict, Fault> {
    let lower = failure.words();
    if failure.at == Some(GUARD) || (lower.contains("divi") && lower.contains("zero")) {
        return Ok(Verdict::Again);
    }
    let fault = failure.fault(&format!("load into `{}` of {}", table.name, table.api.place));
    let of_rows = ["load_error", "load error", "load into table"];
    let is_copy = failure.at == Some(COPY) || of_rows.iter().any(|word| lower.contains(word));
    if fault.class != FaultClass::Service || !is_copy {
        return Err(fault);
    }
    let rows = match select_errors(failure.query_id, begun_ns, objects) {
        Some(select) => refused_rows(table, objects, &select).await?,
        None => Vec::new(),
    };
    if !rows.is_empty() {
        return Ok(Verdict::Refused(rows));
    }
    // COPY names an object that is not there in its message.
    let named = |object: &&ObjectRef| failure.message.contains(&url(object));
    let named: Vec<usize> = (0..objects.len()).filter(|at| named(&objects[*at])).collect();
    let gone = ["nosuchkey", "does not exist", "not present", "status 404", "not found"];
    let gone = gone.iter().any(|word| lower.contains(word));
    let refuse = |index: usize| {
        (index, Copied::Refused { line: None, message: failure.message.trim().to_owned() })
    };
    match named.as_slice() {
        [index] if gone => Ok(Verdict::Refused(vec![refuse(*index)])),
        _ if fault.code == "warehouse_denied" => Err(fault),
        _ if objects.len() > 1 => Ok(Verdict::Smaller),
        _ if gone => Ok(Verdict::Refused(vec![refuse(0)])),
        _ => Err(fault),
    }
}

/// The objects in which a line is no row of the table, by what the database has noted of a COPY.
async fn refused_rows(
    table: &Table,
    objects: &[&ObjectRef],
    select: &str,
) -> Result<Vec<(usize, Copied)>, Fault> {
    let noted = table.api.rows(select, 100).await?.rows;
    let mut refused: Vec<(usize, Copied)> = Vec::new();
    for row in noted {
        let texts: Vec<String> = row.iter().map(field_text).collect();
        let [file, line, column, code, said] = texts.as_slice() else { continue };
        // A name is cut off at 256 bytes.
        let is = |object: &&ObjectRef| {
            let url = url(object);
            url == *file || (file.len() >= 255 && url.starts_with(file.as_str()))
        };
        let mut found = (0..objects.len()).filter(|at| is(&objects[*at]));
        let (Some(index), None) = (found.next(), found.next()) else { continue };
        let column = if column.is_empty() { String::new() } else { format!("column `{column}`: ") };
        let code = if code.is_empty() { String::new() } else { format!(" (code {code})") };
        let line = line.parse().ok().filter(|line| *line > 0);
        let message = format!("{column}{}{code}", said.trim());
        let first = |known: &Copied| match known {
            Copied::Refused { line: Some(known), .. } => line.is_some_and(|line| line < *known),
            _ => true,
        };
        match refused.iter_mut().find(|(at, _)| *at == index) {
            Some((_, known)) if first(known) => *known = Copied::Refused { line, message },
            Some(_) => {}
            None => refused.push((index, Copied::Refused { line, message })),
        }
    }
    Ok(refused)
}
