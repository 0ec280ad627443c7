//! Every node has an example; every example checks, and those that are marked run.

use dsl::check::{Request, compile};
use dsl::problem::Severity;
use dsl::span::SourceMap;
use dsl::spec::{Example, NodeSpec};
use engine::ctx::{Ctx, SystemClock};
use engine::run::{Live, run};
use engine::testing;
use std::path::Path;
use std::sync::Arc;
use stdlib::registry::{registry, specs};
use stdlib::service;

/// The plan of an example that lies in `dir`.
fn plan(spec: &NodeSpec, example: &Example, dir: &Path) -> dsl::plan::Plan {
    for (name, text) in example.files {
        std::fs::write(dir.join(name), text).unwrap();
    }
    let mut files = SourceMap::default();
    let root = files.add(dir.join("example.flow").display().to_string(), example.flow);
    let request = Request { run: example.run, ..Request::default() };
    let (plan, problems) = compile(&files, root, &specs(), &request);
    let errors: Vec<_> =
        problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{} / {}: {errors:#?}", spec.path, example.title);
    plan.unwrap()
}

#[test]
fn every_node_has_an_example_and_a_text() {
    let without = |lacks: fn(&NodeSpec) -> bool| -> Vec<&str> {
        specs().into_iter().filter(|spec| lacks(spec)).map(|spec| spec.path).collect()
    };
    assert_eq!(without(|spec| spec.examples.is_empty()), [""; 0], "without an example");
    assert_eq!(without(|spec| spec.doc.is_empty()), [""; 0], "without a text");
    for spec in specs() {
        let verb = spec.verb();
        let shows = |example: &Example| example.flow.contains(verb);
        assert!(spec.examples.iter().all(shows), "{}: an example without `{verb}`", spec.path);
    }
}

#[test]
fn every_example_checks() {
    for spec in specs() {
        for example in spec.examples {
            plan(spec, example, tempfile::tempdir().unwrap().path());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_that_is_marked_runs() {
    for spec in specs() {
        for example in spec.examples.iter().filter(|example| example.run) {
            let dir = tempfile::tempdir().unwrap();
            let mut plan = plan(spec, example, dir.path());
            plan.local_dir = Some(dir.path().join("out").display().to_string());
            service::prepare(&mut plan);
            let clock = Arc::new(SystemClock::new());
            let opened = service::open(&plan, clock.clone(), Default::default()).await.unwrap();
            let ctx = Ctx { clock, checkpoints: opened.checkpoints.clone(), ..testing::ctx() };
            let nodes = registry(opened.services.clone());
            let report = run(plan, &nodes, &ctx, &Live::default(), std::future::pending()).await;
            let name = format!("{} / {}", spec.path, example.title);
            assert!(report.errors.is_empty(), "{name}: {:?}", report.errors);
            let rows: u64 = report.summary.nodes.iter().map(|node| node.rows_in).sum();
            assert!(rows > 0, "{name}: nothing was sent");
        }
    }
}
