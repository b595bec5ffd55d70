//! What operators see of tasks, jobs and workflows.

use taskora::prelude::*;

use crate::support::{Probe, Store, info, on_both, quick, result, until_is};

#[task]
async fn charge(cents: u32, _probe: State<Probe>) -> Result<u32, TaskError> {
    if cents == 0 { Err(TaskError::give_up("nothing to charge")) } else { Ok(cents * 2) }
}

#[task]
async fn receipt(cents: u32) -> String {
    format!("paid {cents}")
}

#[task]
async fn sum(cents: Vec<u32>) -> u32 {
    cents.iter().sum()
}

async fn worker(app: &App) -> Worker {
    quick(app)
        .state(Probe::new())
        .register_all(tasks![Charge, Receipt, Sum])
        .concurrency(1)
        .start()
        .await
        .unwrap()
}

async fn charges(app: &App, cents: &[u32]) -> Vec<JobHandle<u32>> {
    let mut jobs = Vec::new();
    for cents in cents {
        jobs.push(app.dispatch(Charge { cents: *cents }).await.unwrap());
    }
    jobs
}

async fn counts(app: &App, task: &str) -> taskora::JobCounts {
    let tasks = app.inspect().overview().await.unwrap().tasks;
    tasks.into_iter().find(|known| known.task == task).expect("a known task").counts
}

/// The payloads of the jobs in this state, by the field `cents`.
async fn listed(app: &App, state: JobState) -> Vec<u64> {
    let page = app.inspect().list("charge", state).await.unwrap();
    assert_eq!(page.next, None);
    let mut cents = Vec::new();
    for job in page.jobs {
        assert_eq!(job.state, state);
        let details = app.inspect().job(job.id).await.unwrap().unwrap();
        let payload: serde_json::Value = details.payload().unwrap();
        cents.push(payload["cents"].as_u64().unwrap());
    }
    cents
}

on_both! {
    async fn s223_an_overview_counts_what_waits_and_what_has_completed(store: Store) {
        let app = store.app().await;
        let jobs = charges(&app, &[1, 2, 3]).await;
        assert_eq!((counts(&app, "charge").await.waiting, counts(&app, "charge").await.completed), (3, 0));
        let worker = worker(&app).await;
        for job in &jobs {
            result(job).await.unwrap();
        }
        assert_eq!((counts(&app, "charge").await.waiting, counts(&app, "charge").await.completed), (0, 3));
        worker.shutdown().await.unwrap();
    }

    async fn s224_each_task_is_counted_by_itself(store: Store) {
        let app = store.app().await;
        charges(&app, &[1, 2]).await;
        app.dispatch(Receipt { cents: 1 }).await.unwrap();
        assert_eq!((counts(&app, "charge").await.waiting, counts(&app, "receipt").await.waiting), (2, 1));
        assert_eq!(app.counts("receipt").await.unwrap(), counts(&app, "receipt").await);
    }

    async fn s225_what_waits_comes_in_the_order_of_dispatches(store: Store) {
        let app = store.app().await;
        charges(&app, &[5, 3, 9, 1]).await;
        assert_eq!(listed(&app, JobState::Waiting).await, [5, 3, 9, 1]);
    }

    async fn s226_what_has_completed_comes_with_results_and_times(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        for job in charges(&app, &[1, 2, 3]).await {
            result(&job).await.unwrap();
        }
        let page = app.inspect().list("charge", JobState::Completed).await.unwrap();
        let mut results = Vec::new();
        for job in &page.jobs {
            assert!(job.finished_at >= job.started_at && job.started_at.is_some());
            let details = app.inspect().job(&job.id).await.unwrap().unwrap();
            results.push(details.result::<u32>().unwrap().unwrap());
        }
        results.sort_unstable();
        assert_eq!(results, [2, 4, 6]);
        assert!(page.jobs.is_sorted_by(|a, b| a.finished_at >= b.finished_at), "the last one first");
        worker.shutdown().await.unwrap();
    }

    async fn s227_what_has_failed_comes_with_its_error(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        result(&charges(&app, &[0]).await[0]).await.unwrap_err();
        let page = app.inspect().list("charge", JobState::Failed).await.unwrap();
        let errors: Vec<_> = page.jobs.iter().map(|job| job.error.as_deref()).collect();
        assert_eq!(errors, [Some("nothing to charge")]);
        worker.shutdown().await.unwrap();
    }

    async fn s228_what_is_delayed_comes_with_its_time(store: Store) {
        let app = store.app().await;
        let hour = std::time::Duration::from_secs(3_600);
        for (cents, hours) in [(7, 2), (8, 1)] {
            app.dispatch(Charge { cents }).delay(hour * hours).await.unwrap();
        }
        assert_eq!(listed(&app, JobState::Delayed).await, [8, 7], "by when they are due");
        let page = app.inspect().list("charge", JobState::Delayed).await.unwrap();
        assert!(page.jobs.iter().all(|job| job.due_at > Some(job.created_at)));
    }

    async fn s229_pages_go_on_where_the_last_one_ended(store: Store) {
        let app = store.app().await;
        let jobs = charges(&app, &[1, 2, 3, 4, 5]).await;
        let (mut sizes, mut ids, mut next) = (Vec::new(), Vec::new(), None);
        loop {
            let page = app.inspect().list("charge", JobState::Waiting).limit(2).after(next).await.unwrap();
            sizes.push(page.jobs.len());
            ids.extend(page.jobs.into_iter().map(|job| job.id));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(sizes, [2, 2, 1]);
        assert!(ids.iter().eq(jobs.iter().map(JobHandle::id)));
    }

    async fn s231_one_job_is_shown_with_its_types(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        let job = app.dispatch(Receipt { cents: 5 }).await.unwrap();
        result(&job).await.unwrap();
        let details = app.inspect().job(job.id()).await.unwrap().unwrap();
        assert_eq!(details.payload::<Receipt>().unwrap().cents, 5);
        assert_eq!(details.result::<String>().unwrap().as_deref(), Some("paid 5"));
        assert!(details.payload::<Sum>().is_err(), "another type");
        worker.shutdown().await.unwrap();
    }

    async fn s232_s237_an_unknown_job_is_none_and_cannot_be_retried(store: Store) {
        let app = store.app().await;
        assert!(app.inspect().job("nobody").await.unwrap().is_none());
        let job = app.job::<Charge>("nobody");
        let error = job.retry().await.unwrap_err();
        assert!(
            matches!(&error, taskora::ActionError::Job(JobError::NotFound { id }) if id.as_str() == "nobody"),
            "{error}"
        );
    }

    async fn s233_s235_a_dead_letter_is_retried_by_its_id(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        let job = charges(&app, &[0]).await.remove(0);
        result(&job).await.unwrap_err();
        let groups = app.dead_letters("charge").groups().await.unwrap();
        assert_eq!((groups[0].pattern.as_str(), groups[0].count), ("nothing to charge", 1));
        // the handle finds its task; a name is not needed
        app.job::<Charge>(job.id().clone()).retry().await.unwrap();
        result(&job).await.unwrap_err();
        assert_eq!(info(&job).await.attempts, 1, "its attempts were counted anew");
        worker.shutdown().await.unwrap();
    }

    async fn workflows_are_listed_with_what_is_left_of_them(store: Store) {
        let app = store.app().await;
        let flow = || group([1, 2].map(|cents| Charge { cents })).then(Sum::s());
        let first = app.dispatch(flow()).meta("tenant", "7").await.unwrap();
        let broken = app.dispatch(Charge { cents: 0 }.then(Receipt::s())).await.unwrap();
        let running = app.inspect().workflows(WorkflowState::Running).await.unwrap();
        let ids: Vec<_> = running.workflows.iter().map(|flow| flow.id.clone()).collect();
        assert_eq!(ids, [first.id().clone(), broken.id().clone()]);
        let shown = &running.workflows[0];
        assert_eq!((shown.steps, shown.open_steps, &*shown.meta), (3, 3, &[("tenant".into(), "7".into())][..]));
        assert_eq!(first.info().await.unwrap().as_ref(), Some(shown));

        let worker = worker(&app).await;
        assert_eq!(first.result().await.unwrap(), 6);
        broken.result().await.unwrap_err();
        let listed = async |state| {
            let page = app.inspect().workflows(state).await.unwrap();
            page.workflows.into_iter().map(|flow| (flow.id, flow.open_steps)).collect::<Vec<_>>()
        };
        assert_eq!(listed(WorkflowState::Completed).await, [(first.id().clone(), 0)]);
        // it is there once its other step has ended
        let expected = vec![(broken.id().clone(), 0)];
        until_is(|failed| *failed == expected, || listed(WorkflowState::Failed), || "listed".into()).await;
        assert!(listed(WorkflowState::Running).await.is_empty());
        worker.shutdown().await.unwrap();
    }
}
