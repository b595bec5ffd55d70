//! Checking the store, page by page, and repairing it. The rules for jobs are in `lua/lib/snapshot.lua`, those for workflows
//! in `workflows.rs`.

mod found;
mod pass;
mod workflows;

use async_trait::async_trait;
use taskora::AdapterError;
use taskora::adapter::{Audit, Finding, RepairOutcome, Upkeep};

use self::pass::Pass;
use crate::adapter::RedisAdapter;
use crate::answer::{bytes, nonsense};
use crate::scripts::SCRIPTS;

#[async_trait]
impl Upkeep for RedisAdapter {
    fn audit(&self) -> Box<dyn Audit> {
        Box::new(Pass::new(self.inner.clone()))
    }

    async fn repair(&self, finding: &Finding) -> Result<RepairOutcome, AdapterError> {
        let Some(notes) = &finding.notes else { return Ok(RepairOutcome::Left) };
        let answer = self.inner.script(&SCRIPTS.repair, |call, _| {
            call.all(notes);
        });
        match bytes(answer.await?, "the answer to `repair`")?.as_slice() {
            b"F" => Ok(RepairOutcome::Repaired),
            b"G" => Ok(RepairOutcome::Gone),
            _ => Err(nonsense("a repair was answered with something else")),
        }
    }
}

#[cfg(test)]
mod tests {

    use taskora::adapter::{Jobs, NewJob};
    use taskora_test_server::RedisServer;

    use super::*;

    /// All findings of a pass that remembers few jobs at a time, with its numbers of jobs and pages.
    async fn pass(adapter: &RedisAdapter) -> (Vec<String>, usize, usize) {
        let mut pass = Pass::new(adapter.inner.clone());
        pass.most = 500;
        let (mut found, mut jobs, mut pages) = (Vec::new(), 0, 0);
        while let Some(page) = pass.page().await.expect("page") {
            found.extend(page.findings.into_iter().map(|finding| finding.violation.to_string()));
            jobs += page.jobs;
            pages += 1;
            assert!(pages < 1_000, "it goes round in a circle");
        }
        (found, jobs, pages)
    }

    #[tokio::test]
    async fn more_jobs_than_are_remembered_are_judged_in_several_rounds() {
        let server = RedisServer::start().unwrap_or_else(|error| panic!("{error}"));
        let adapter = RedisAdapter::connect(server.url()).await.expect("connect");
        for chunk in 0..6 {
            let jobs = (0..500).map(|number| NewJob::new(format!("{chunk}-{number}"), "send-email", "1"));
            adapter.enqueue(jobs.collect()).await.expect("enqueue");
        }
        let (found, jobs, pages) = pass(&adapter).await;
        assert_eq!((found, jobs), (Vec::new(), 3_000));
        assert!(pages > 3_000 / 200 * 4, "the line was read only once, in {pages} pages");
        server.command(&["LPOP", "{taskora}:wait:send-email"]).expect("a job is lost");
        server.command(&["RPOP", "{taskora}:wait:send-email"]).expect("and another one");
        let (mut found, ..) = pass(&adapter).await;
        found.sort_unstable();
        let lost = |id| {
            format!("job `{id}` of `send-email`: it is missing from the waiting jobs; a repair puts it back")
        };
        assert_eq!(found, [lost("0-0"), lost("5-499")]);
    }
}
