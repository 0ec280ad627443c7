//! What a plan needs of its provider: what is there, what is missing, and what is wrong with it.
//! `flowc up` and `flowc check --online` work on this.

use async_trait::async_trait;
use dsl::plan::Plan;
use dsl::problem::Problem;
use engine::fault::Fault;

/// What is to be done about one thing that a plan needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is missing and can be made.
    Create,
    /// It is there, as it should be.
    Exists,
    /// It is there, or cannot be made, and a person must look: `notes` say what is wrong.
    Differs,
}

/// One thing that a plan needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is to be done.
    pub action: Action,
    /// What it is, such as ``stream `APIData` ``.
    pub what: String,
    /// How it is made: `1 shard`.
    pub how: String,
    /// Who needs it: names of resources of the file.
    pub why: String,
    /// What differs, and what to do about it.
    pub notes: Vec<String>,
    /// Its number in the order of making.
    pub index: usize,
}

/// The provider of a profile, as the place of what a plan needs.
#[async_trait]
pub trait Site: Send + Sync {
    /// Where it is, for a person: `region eu-central-1`.
    fn place(&self) -> String;

    /// What the plan needs, in the order of making. Changes nothing.
    ///
    /// # Errors
    /// The provider cannot be asked.
    async fn look(&self) -> Result<Vec<Step>, Fault>;

    /// Makes what a step of [`look`](Site::look) says, and waits until it can be used. Makes
    /// nothing where it is there by now; never deletes, never alters.
    ///
    /// # Errors
    /// The provider refuses, or it does not come to be usable in ten minutes.
    async fn make(&self, step: &Step) -> Result<(), Fault>;

    /// Everything that would stop or harm a run: what is missing, differs, is not allowed. Changes
    /// nothing. `now_ns` is this machine's clock, in nanoseconds since 1970.
    async fn check(&self, now_ns: i64) -> Vec<Problem>;
}

/// The site of the plan's profile; `None` for an emulated one, which makes by itself what it needs.
///
/// # Errors
/// The provider is not configured, or this build does not have it.
pub async fn site(plan: &Plan) -> Result<Option<Box<dyn Site>>, Fault> {
    if plan.local_dir.is_some() {
        return Ok(None);
    }
    #[cfg(feature = "aws")]
    return Ok(Some(Box::new(super::aws::up::AwsSite::open(plan).await?)));
    #[cfg(not(feature = "aws"))]
    Err(super::no_connectors(plan))
}
