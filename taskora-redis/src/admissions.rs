//! Jobs with keys.

use async_trait::async_trait;
use taskora::adapter::{Admission, Admissions, Admitted, AdmittedWorkflow, NewWorkflow, Once};
use taskora::{AdapterError, JobId};

use crate::adapter::RedisAdapter;
use crate::answer::{bytes, nonsense};
use crate::id;
use crate::keyed::{Keyed, pack_once};
use crate::scripts::SCRIPTS;

#[async_trait]
impl Admissions for RedisAdapter {
    async fn admit(&self, admissions: Vec<Admission>) -> Result<Vec<Admitted>, AdapterError> {
        let keyed: Result<Vec<Keyed>, String> = admissions.into_iter().map(Keyed::pack).collect();
        self.inner.sign();
        self.inner.connections()?.admissions.send(keyed.map_err(AdapterError::Config)?).await
    }

    async fn admit_workflow(
        &self,
        workflow: NewWorkflow,
        key: &str,
        once: Once,
    ) -> Result<AdmittedWorkflow, AdapterError> {
        if key.len() > Admission::MAX_KEY {
            return Err(AdapterError::Config(format!("a key has at most {} bytes", Admission::MAX_KEY)));
        }
        let id = workflow.id.clone();
        let hold = [&pack_once(once)[..], key.as_bytes()].concat();
        let (letter, holder) = self.start_plan(workflow, hold).await?;
        let holder = || {
            let holder = holder.as_deref().and_then(id::load_workflow);
            holder.ok_or_else(|| nonsense("`start_workflow` names nobody"))
        };
        match letter {
            b'1' => Ok(AdmittedWorkflow::New),
            b'O' => Ok(AdmittedWorkflow::Duplicate(holder()?)),
            b'K' => Ok(AdmittedWorkflow::Reused(holder()?)),
            _ => Ok(AdmittedWorkflow::Duplicate(id)),
        }
    }

    async fn key_owner(&self, task: &str, key: &str) -> Result<Option<JobId>, AdapterError> {
        let settings = self.inner.settings();
        let uniq = settings.keys.of("uniq", b"");
        let owner = self.inner.fields(&uniq, &[id::unique_field(task, key)]).await?.pop().flatten();
        Ok(owner.and_then(|owner| id::load(owner.get(6..)?)))
    }

    async fn release_key(&self, task: &str, key: &str) -> Result<Option<JobId>, AdapterError> {
        let field = id::unique_field(task, key);
        let answer = self.inner.script(&SCRIPTS.release_key, |call, _| {
            call.put("field", &field);
        });
        Ok(id::load(&bytes(answer.await?, "the answer to `release_key`")?))
    }
}
