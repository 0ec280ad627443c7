//! What a plan needs of AWS: found, compared, made. Nothing is ever deleted or altered.

mod access;
mod columns;
mod look;
mod make;
mod online;
#[cfg(test)]
mod tests;
mod wanted;

use super::clients::Clients;
use crate::service::provision::{Action, Site, Step};
use async_trait::async_trait;
use dsl::plan::Plan;
use dsl::problem::Problem;
use engine::fault::Fault;
use look::Found;
use wanted::{Wanted, What};

/// AWS as the place of what a plan needs.
pub struct AwsSite {
    clients: Clients,
    plan: Plan,
    wanted: Vec<Wanted>,
}

impl AwsSite {
    /// Reads the configuration. Makes no call.
    ///
    /// # Errors
    /// No region is known, or the plan asks for what AWS does not have.
    pub async fn open(plan: &Plan) -> Result<AwsSite, Fault> {
        AwsSite::new(plan, Clients::load(&plan.provider).await?)
    }

    /// The same with these clients.
    ///
    /// # Errors
    /// The plan asks for what AWS does not have.
    pub fn new(plan: &Plan, clients: Clients) -> Result<AwsSite, Fault> {
        let wanted = wanted::of(plan, &clients)?;
        Ok(AwsSite { clients, plan: plan.clone(), wanted })
    }

    fn step(&self, index: usize, found: Found) -> Step {
        let wanted = &self.wanted[index];
        let mut notes = Vec::new();
        let action = match found {
            Found::Missing => match &wanted.what {
                What::Delivery(delivery) if delivery.role.is_none() => {
                    notes.push(wanted::NO_ROLE.to_owned());
                    Action::Differs
                }
                _ => Action::Create,
            },
            Found::There { waits, differs } => {
                notes.extend(waits.map(|status| format!("it is {status}: wait, and try again")));
                let said = differs.into_iter().map(|each| format!("{}: {}", each.said, each.help));
                notes.extend(said);
                if notes.is_empty() { Action::Exists } else { Action::Differs }
            }
        };
        let (what, how, why) = (wanted.what.to_string(), wanted.what.how(), wanted.why.clone());
        Step { action, what, how, why, notes, index }
    }
}

#[async_trait]
impl Site for AwsSite {
    fn place(&self) -> String {
        let region = &self.clients.region;
        match &self.plan.provider.endpoint {
            Some(endpoint) => format!("region {region}, endpoint {endpoint}"),
            None => format!("region {region}"),
        }
    }

    async fn look(&self) -> Result<Vec<Step>, Fault> {
        let found = self.wanted.iter().map(|wanted| look::look(&self.clients, &wanted.what));
        let found = futures::future::try_join_all(found).await?;
        Ok(found.into_iter().enumerate().map(|(index, found)| self.step(index, found)).collect())
    }

    async fn make(&self, step: &Step) -> Result<(), Fault> {
        make::make(&self.clients, &self.wanted[step.index].what).await
    }

    async fn check(&self, now_ns: i64) -> Vec<Problem> {
        online::check(&self.clients, &self.plan, &self.wanted, now_ns).await
    }
}
