//! `flowc check --online`: everything at AWS that would stop or harm a run, as problems.

use super::access::{Denied, Uses, denied, is_denied};
use super::look::{Difference, Found, look};
use super::wanted::{Wanted, What};
use crate::service::aws::clients::Clients;
use crate::service::aws::state_table;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context as sdk;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use dsl::plan::Plan;
use dsl::problem::{Problem, Severity};
use dsl::span::Span;
use dsl::value::Value;
use engine::fault::Fault;
use std::sync::{Arc, Mutex, PoisonError};

/// A clock that is wrong by more is told.
const SKEW_WARN_S: i64 = 5 * 60;
/// A clock that is wrong by more is refused by AWS.
const SKEW_ERROR_S: i64 = 15 * 60;

/// All problems, in the order of making; see [`crate::service::provision::Site::check`].
pub async fn check(clients: &Clients, plan: &Plan, wanted: &[Wanted], now_ns: i64) -> Vec<Problem> {
    let checked = wanted.iter().map(|wanted| check_one(clients, plan, wanted));
    let mut problems = skew(clients, plan, now_ns).await;
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        // AWS refuses every call then, each in its own words.
        return problems;
    }
    for problem in futures::future::join_all(checked).await.into_iter().flatten() {
        // What is wrong with the credentials is wrong everywhere: it is told once.
        let of_all = problem.code == "E0706";
        if !of_all || !problems.iter().any(|told: &Problem| told.code == "E0706") {
            problems.push(problem);
        }
    }
    if problems.iter().any(|problem| problem.code == "E0706") {
        // To whom it does not know, S3 says that access is denied.
        problems.retain(|problem| problem.code != "E0704");
    }
    problems
}

async fn check_one(clients: &Clients, plan: &Plan, wanted: &Wanted) -> Vec<Problem> {
    let (what, at) = (&wanted.what, place(plan, wanted.resource));
    let found = match look(clients, what).await {
        Ok(found) => found,
        Err(fault) => return vec![asked_in_vain(what, at, &fault)],
    };
    let (waits, differs) = match found {
        Found::Missing => {
            let message = format!("{what} does not exist");
            let problem = Problem::error("E0701", message, at, "needed for this");
            let profile = &plan.profile;
            let help = format!("make it: `flowc up {} --profile {profile}`", plan.file);
            return vec![problem.help(help)];
        }
        Found::There { waits, differs } => (waits, differs),
    };
    let mut problems = Vec::new();
    if let Some(status) = waits {
        let message = format!("{what} is {status}");
        let problem = Problem::error("E0702", message, at, "cannot be used now");
        problems.push(problem.help("wait until it is ACTIVE, or make it anew"));
    }
    let differs = differs.into_iter();
    problems.extend(differs.map(|each| differs_problem(plan, wanted, each)));
    match denied(clients, what, uses(plan, wanted)).await {
        Ok(all) => problems.extend(all.into_iter().map(|each| denied_problem(what, at, each))),
        Err(fault) => problems.push(asked_in_vain(what, at, &fault)),
    }
    problems
}

/// A resource's name in the file; of what the run itself needs, the first one's.
fn place(plan: &Plan, resource: Option<usize>) -> Span {
    let named = plan.resources.get(resource.unwrap_or(0)).map(|resource| resource.span);
    named.or_else(|| plan.flows.first().map(|flow| flow.span)).unwrap_or_default()
}

fn differs_problem(plan: &Plan, wanted: &Wanted, found: Difference) -> Problem {
    let record = wanted.resource.and_then(|at| plan.resources.get(at)?.ty.record());
    let field = found.field.as_ref().and_then(|name| record?.field(name)?.span);
    let at = place(plan, wanted.resource);
    let message = format!("{}: {}", wanted.what, found.said);
    let problem = match field {
        Some(field) => {
            Problem::error("E0703", message, field, "declared here").label(at, "bound to it")
        }
        None => Problem::error("E0703", message, at, "not as it is there"),
    };
    let severity = if found.harmless { Severity::Warning } else { Severity::Error };
    Problem { severity, ..problem.help(found.help) }
}

fn denied_problem(what: &What, at: Span, found: Denied) -> Problem {
    let message = format!("{what}: `{}` is not allowed", found.action);
    let problem = Problem::error("E0704", message, at, "a run needs it");
    match what {
        What::Rows(_) | What::History(_) => problem.help(found.said),
        _ => problem.help(format!("allow it to the role of this run\n{}", found.said)),
    }
}

fn asked_in_vain(what: &What, at: Span, fault: &Fault) -> Problem {
    if is_denied(fault) {
        let message = format!("{what} is there, but not for this role, or is another's");
        let problem = Problem::error("E0704", message, at, "access is denied");
        return problem
            .help(format!("allow the role of this run to look at it\n{}", fault.message));
    }
    let credentials = ["Token", "Signature", "credentials", "Credentials", "AccessKey", "Client"];
    let of_all = credentials.iter().any(|word| fault.code.contains(word))
        || ["connection", "timeout"].contains(&fault.code.as_str());
    let code = if of_all { "E0706" } else { "E0707" };
    let problem = Problem::error(code, fault.message.clone(), at, "could not be asked");
    match &fault.help {
        Some(help) => problem.help(help.clone()),
        None => problem,
    }
}

/// What the nodes of the plan do with a thing.
fn uses(plan: &Plan, wanted: &Wanted) -> Uses {
    let mut uses = Uses::default();
    match (&wanted.what, wanted.resource) {
        (What::Items { table, .. }, None) => uses.is_state = *table == state_table(plan),
        (What::History(_), _) => uses = Uses { reads: true, writes: true, ..uses },
        _ => {}
    }
    let named = |at: usize| {
        let binding = plan.resources.get(at).and_then(|each| each.binding.as_ref());
        binding.map(|binding| (binding.service.as_str(), binding.name.as_str()))
    };
    let Some(own) = wanted.resource.and_then(named) else { return uses };
    for node in plan.graph.node_weights() {
        if node.resource.and_then(named) != Some(own) {
            continue;
        }
        let resource = node.resource.and_then(|at| plan.resources.get(at));
        let option = |name: &str| resource?.binding.as_ref()?.options.get(name);
        let is_set = |name: &str| option(name) == Some(&Value::Bool(true));
        match node.op.rsplit('.').next() {
            Some("read" | "get" | "scan") => {
                uses.reads = true;
                uses.fans_out |= is_set("fan_out");
            }
            _ => {
                uses.writes = true;
                let in_order = resource.is_some_and(|each| !each.key.is_empty())
                    && option("order").and_then(Value::as_text) != Some("none");
                uses.packs |= is_set("pack") && !in_order;
            }
        }
    }
    uses
}

/// E0705: this machine's clock against that of AWS.
async fn skew(clients: &Clients, plan: &Plan, now_ns: i64) -> Vec<Problem> {
    let seen = SeenDate::default();
    let began = std::time::Instant::now();
    let call = clients.dynamodb.describe_table().table_name(state_table(plan));
    // Whatever the answer is, it has a date.
    let _ = call.customize().interceptor(seen.clone()).send().await;
    let took_ns = i64::try_from(began.elapsed().as_nanos()).unwrap_or(0);
    let date = seen.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    let theirs = date.and_then(|date| chrono::DateTime::parse_from_rfc2822(&date).ok());
    let Some(theirs) = theirs else { return Vec::new() };
    let ours_s = (now_ns + took_ns / 2).div_euclid(1_000_000_000);
    let off_s = ours_s - theirs.timestamp();
    if off_s.abs() <= SKEW_WARN_S {
        return Vec::new();
    }
    let side = if off_s > 0 { "ahead of" } else { "behind" };
    let message = format!("this machine's clock is {} s {side} that of AWS", off_s.abs());
    let at = place(plan, None);
    let label = "AWS refuses calls of a clock that is wrong by 15 minutes";
    let problem = Problem::error("E0705", message, at, label).help("set the clock (NTP)");
    let harmless = off_s.abs() <= SKEW_ERROR_S;
    let severity = if harmless { Severity::Warning } else { Severity::Error };
    vec![Problem { severity, ..problem }]
}

/// Keeps the `Date` of an answer.
#[derive(Clone, Debug, Default)]
struct SeenDate(Arc<Mutex<Option<String>>>);

impl Intercept for SeenDate {
    fn name(&self) -> &'static str {
        "SeenDate"
    }

    fn read_after_transmit(
        &self,
        context: &sdk::BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}
