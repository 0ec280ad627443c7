//! A small driver of the Redshift Data API: statements in, their outcome or their rows out.
//!
//! A statement runs on after its caller is gone. So nothing here trusts that a reply comes: the
//! same work is sent with the same token, which gives the same statement for eight hours, and who
//! changes something asks the database itself what became of it.

use crate::service::aws::tried::tried;
use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::types::{ColumnMetadata, Field, StatementStatusString, StatusString};
use aws_smithy_types::DateTime;
use dsl::plan::Binding;
use dsl::value::Value;
use engine::ctx::{Clock, SystemClock};
use engine::fault::Fault;
use std::time::Duration;

/// Bytes of one statement.
pub const STATEMENT_BYTES_MAX: usize = 100 << 10;
/// Statements of one batch.
pub const BATCH_STATEMENTS_MAX: usize = 40;
/// How long one question for the outcome waits at the service, in seconds.
const WAIT_S: i32 = 20;
/// Between two questions that the service answered at once.
const POLL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// An answer that comes within this time has not waited.
const AT_ONCE_NS: i64 = 1_000_000_000;
/// A query ends by then at the latest.
const QUERY_MAX_NS: i64 = 24 * 3600 * 1_000_000_000;

/// Where statements run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// A serverless workgroup.
    pub workgroup: Option<String>,
    /// Or a provisioned cluster.
    pub cluster: Option<String>,
    /// The database.
    pub database: String,
    /// The user of a cluster's database.
    pub user: Option<String>,
    /// A secret with user and password.
    pub secret: Option<String>,
}

/// What became of statements.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The statement's id.
    pub id: String,
    /// When it was begun, by the service's clock, in nanoseconds; 0 = not said.
    pub begun_ns: i128,
    /// `None` = finished.
    pub failure: Option<Failure>,
}

/// Why statements were rolled back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The database's own words.
    pub message: String,
    /// The statement that failed, where the service says it: its index in the batch.
    pub at: Option<usize>,
    /// The database's number of the query; 0 = not said.
    pub query_id: i64,
    /// It was stopped from outside.
    pub aborted: bool,
}

/// Rows of a select, as the service gives them.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// When the select was begun, by the service's clock, in nanoseconds; 0 = not said.
    pub begun_ns: i128,
    /// Names and types.
    pub columns: Vec<ColumnMetadata>,
    /// A field for each column.
    pub rows: Vec<Vec<Field>>,
    /// There were more.
    pub more: bool,
}

/// The Data API for one place.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    /// Where its statements run.
    pub place: Place,
}

impl Place {
    /// The place that a binding names.
    pub fn of(binding: &Binding) -> Place {
        let text = |name: &str| {
            let text = binding.options.get(name).and_then(Value::as_text).unwrap_or_default();
            (!text.is_empty()).then(|| text.to_owned())
        };
        Place {
            workgroup: text("workgroup"),
            cluster: text("cluster"),
            database: text("database").unwrap_or_default(),
            user: text("user"),
            secret: text("secret"),
        }
    }
}

/// `workgroup `analytics`, database `dev``
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.workgroup, &self.cluster) {
            (Some(name), _) => write!(f, "workgroup `{name}`")?,
            (None, Some(name)) => write!(f, "cluster `{name}`")?,
            (None, None) => {}
        }
        write!(f, ", database `{}`", self.database)
    }
}

impl Api {
    /// Statements go to `place`.
    pub fn new(client: Client, place: Place) -> Api {
        Api { client, place }
    }

    /// Runs statements in one transaction and waits for its end. The same token within eight hours
    /// means the same work: it is not begun again, its outcome is given.
    ///
    /// # Errors
    /// Nobody knows what became of them.
    pub async fn run(&self, statements: &[String], token: &str) -> Result<Ended, Fault> {
        let (id, begun) = match statements {
            [one] => self.begin(one, Some(token)).await?,
            _ => self.begin_all(statements, token).await?,
        };
        self.end(id, begun).await
    }

    /// The rows of a select, at most `rows_max`.
    ///
    /// # Errors
    /// It failed, or nobody knows its rows.
    pub async fn rows(&self, sql: &str, rows_max: usize) -> Result<Answer, Fault> {
        let (id, begun) = self.begin(sql, None).await?;
        let ended = self.end(id.clone(), begun).await?;
        if let Some(failure) = ended.failure {
            return Err(failure.fault(&format!("query {}", self.place)));
        }
        let mut answer = Answer { begun_ns: ended.begun_ns, ..Answer::default() };
        let mut next = None;
        loop {
            let page = tried(&format!("read a result of {}", self.place), || {
                self.client.get_statement_result().id(&id).set_next_token(next.clone()).send()
            })
            .await?;
            if answer.columns.is_empty() {
                answer.columns = page.column_metadata.unwrap_or_default();
            }
            answer.rows.extend(page.records);
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() || answer.rows.len() > rows_max {
                break;
            }
        }
        answer.more = next.is_some() || answer.rows.len() > rows_max;
        answer.rows.truncate(rows_max);
        Ok(answer)
    }

    async fn begin(&self, sql: &str, token: Option<&str>) -> Result<(String, i128), Fault> {
        let place = &self.place;
        let begun = tried(&format!("run a statement in {place}"), || {
            let call = self.client.execute_statement().sql(sql).database(&place.database);
            call.set_client_token(token.map(str::to_owned))
                .set_workgroup_name(place.workgroup.clone())
                .set_cluster_identifier(place.cluster.clone())
                .set_db_user(place.user.clone())
                .set_secret_arn(place.secret.clone())
                .send()
        })
        .await?;
        Ok((begun.id.unwrap_or_default(), nanoseconds(begun.created_at)))
    }

    async fn begin_all(&self, sqls: &[String], token: &str) -> Result<(String, i128), Fault> {
        let place = &self.place;
        let begun = tried(&format!("run statements in {place}"), || {
            let call = self.client.batch_execute_statement().set_sqls(Some(sqls.to_vec()));
            call.client_token(token)
                .database(&place.database)
                .set_workgroup_name(place.workgroup.clone())
                .set_cluster_identifier(place.cluster.clone())
                .set_db_user(place.user.clone())
                .set_secret_arn(place.secret.clone())
                .send()
        })
        .await?;
        Ok((begun.id.unwrap_or_default(), nanoseconds(begun.created_at)))
    }

    /// Waits until a statement has ended.
    async fn end(&self, id: String, begun_ns: i128) -> Result<Ended, Fault> {
        let what = format!("ask {} for the outcome of a statement", self.place);
        let clock = SystemClock::new();
        let (since_ns, mut pause) = (clock.now_ns(), POLL.0);
        while clock.now_ns() - since_ns < QUERY_MAX_NS {
            let asked_ns = clock.now_ns();
            let told = tried(&what, || {
                self.client.describe_statement().id(&id).wait_time_seconds(WAIT_S).send()
            })
            .await?;
            let begun_ns = match told.created_at {
                Some(_) => nanoseconds(told.created_at),
                None => begun_ns,
            };
            let ended = match told.status {
                Some(StatusString::Finished) => None,
                Some(StatusString::Failed | StatusString::Aborted) => Some(failure(&told)),
                _ => {
                    if clock.now_ns() - asked_ns < AT_ONCE_NS {
                        clock.sleep(pause).await;
                        pause = (pause * 2).min(POLL.1);
                    }
                    continue;
                }
            };
            return Ok(Ended { id, begun_ns, failure: ended });
        }
        Err(Fault::transient("timeout", format!("cannot {what}: it runs for over a day")))
    }
}

type Described = aws_sdk_redshiftdata::operation::describe_statement::DescribeStatementOutput;

fn failure(told: &Described) -> Failure {
    let aborted = told.status == Some(StatusString::Aborted);
    let parts = told.sub_statements.as_deref().unwrap_or_default();
    let failed = |status: &Option<StatementStatusString>| {
        matches!(status, Some(StatementStatusString::Failed | StatementStatusString::Aborted))
    };
    let at = parts.iter().position(|part| failed(&part.status) && part.error.is_some());
    let part = at.map(|at| &parts[at]);
    let said = part.and_then(|part| part.error.clone()).or_else(|| told.error.clone());
    let query_id = part.map_or(told.redshift_query_id, |part| part.redshift_query_id);
    Failure { message: said.unwrap_or_default(), at, query_id: query_id.max(0), aborted }
}

impl Failure {
    /// Words of the database for what passes by itself, in parts that follow one another.
    const PASSING: [&'static [&'static str]; 11] = [
        &["error: 1023"],
        &["serializable isolation violation"],
        &["could not serialize access"],
        &["conflict with concurrent"],
        &["deadlock detected"],
        &["connection", " lost"],
        &["connection", " reset"],
        &["connection", " closed"],
        &["canceled on user"],
        &["cancelled on user"],
        &["database system is s"],
    ];

    /// The database's words without what people have named: in lower case, quoted parts and the
    /// addresses of objects cut out.
    pub fn words(&self) -> String {
        let parts = unquoted(&self.message.to_lowercase());
        let addresses = |part: &&str| !part.contains("s3://");
        parts.split_whitespace().filter(addresses).collect::<Vec<_>>().join(" ")
    }

    /// Whether the same may go well later.
    pub fn passes(&self) -> bool {
        let words = self.words();
        let holds = |parts: &&[&str]| {
            let mut rest = words.as_str();
            parts.iter().all(|part| match rest.split_once(part) {
                Some((_, after)) => {
                    rest = after;
                    true
                }
                None => false,
            })
        };
        self.aborted || Self::PASSING.iter().any(holds)
    }

    /// As a fault of what was tried, such as `load into `sales``.
    pub fn fault(&self, what: &str) -> Fault {
        let said = self.message.trim().trim_start_matches("ERROR: ");
        let said = if said.is_empty() { "it was stopped from outside" } else { said };
        let message = format!("cannot {what}: {said}");
        let lower = self.words();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if self.passes() {
            return Fault::transient("warehouse_busy", message);
        }
        if has(&["permission denied", "not authorized", "access denied", "accessdenied"]) {
            return Fault::service("warehouse_denied", message)
                .help("grant it to the user of this run, or to the role that COPY takes");
        }
        if has(&["relation", "table"]) && has(&["does not exist", "not found"]) {
            return Fault::service("warehouse_missing", message)
                .help("`flowc up FILE --profile …` makes what is missing");
        }
        Fault::service("warehouse_failed", message)
    }
}

/// A text without what stands in quotes. A quote within a word, as in `user's`, is none.
fn unquoted(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    let is_word = |next: Option<char>| next.is_some_and(char::is_alphanumeric);
    while let Some(open) = rest.find(['\'', '"', '`']) {
        let (before, quoted) = rest.split_at(open);
        kept.push_str(before);
        let (quote, inner) = quoted.split_at(1);
        let ends = |(at, _): &(usize, &str)| !is_word(inner[at + 1..].chars().next());
        let end = inner.match_indices(quote).find(ends).map(|(at, _)| at + 1);
        rest = match end {
            Some(end) if !is_word(before.chars().next_back()) => &inner[end..],
            _ => {
                kept.push_str(quote);
                inner
            }
        };
    }
    kept + rest
}

fn nanoseconds(at: Option<DateTime>) -> i128 {
    at.map_or(0, |at| at.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(message: &str) -> bool {
        Failure { message: message.into(), ..Failure::default() }.passes()
    }

    #[test]
    fn only_the_databases_own_words_say_that_it_passes() {
        for message in [
            "ERROR: 1023 DETAIL: Serializable isolation violation on table - 12",
            "ERROR: could not complete because of conflict with concurrent transaction",
            "ERROR: deadlock detected",
            "ERROR: the connection to 'n1' was closed",
            "Query (7) cancelled on user's request",
        ] {
            assert!(passes(message), "{message}");
        }
        for message in [
            "ERROR: Load into table 'connection_closed' failed. Check 'sys_load_error_detail'",
            "ERROR: s3://b/deadlock detected/1023.json: no JSON",
            "ERROR: Load into table 'error: 1023' failed",
            "ERROR: column \"serializable isolation violation\" is of type int",
            "ERROR: no valid object s3://b/10231023/conflict/connection-lost.gz",
            "ERROR: Problem reading manifest: it's not JSON: 'a deadlock detected'",
        ] {
            assert!(!passes(message), "{message}");
        }
    }

    #[test]
    fn what_people_have_named_says_nothing_of_access() {
        let message = "ERROR: Load into table 'access denied' failed".to_owned();
        let fault = Failure { message, ..Failure::default() }.fault("load");
        assert_eq!(fault.code, "warehouse_failed");
    }
}
