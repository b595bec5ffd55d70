//! The routes of the API: each dispatches a job, or asks about one. Nothing here knows how a task is carried out.

mod error;

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use split_contracts::{SendEmail, WriteInvoice};
use taskora::{App, CancelOutcome, JobError, JobState, Task};

use error::ApiError;

/// The longest time that a request waits for a job's end.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The API over this app.
pub fn routes(app: App) -> Router {
    Router::new()
        .route("/emails", post(dispatch::<SendEmail>))
        .route("/invoices", post(dispatch::<WriteInvoice>))
        .route("/jobs/{id}", get(look_up).delete(cancel))
        .with_state(app)
}

#[derive(Deserialize)]
struct DispatchOptions {
    /// Seconds until the job is ready.
    #[serde(default)]
    delay: u64,
}

/// Dispatches a contract that came as JSON: answers 202, with the URL of the job.
async fn dispatch<T: Task>(
    State(app): State<App>,
    Query(options): Query<DispatchOptions>,
    Json(task): Json<T>,
) -> Result<impl IntoResponse, ApiError> {
    let handle = app.dispatch(task).delay(Duration::from_secs(options.delay)).await?;
    let id = handle.id();
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, format!("/jobs/{id}"))], Json(json!({ "id": id }))))
}

#[derive(Deserialize)]
struct LookUpOptions {
    /// Seconds to wait for the job's end before answering.
    #[serde(default)]
    wait: u64,
}

/// A job, as the API shows it.
#[derive(Serialize)]
struct JobView {
    id: String,
    task: String,
    state: JobState,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

async fn look_up(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(options): Query<LookUpOptions>,
) -> Result<Json<JobView>, ApiError> {
    let handle = app.job_raw(id);
    // the end is pushed, so waiting costs nothing; asking with no wait looks once
    let wait = Duration::from_secs(options.wait).min(LONGEST_WAIT);
    if !wait.is_zero()
        && let Err(error @ JobError::Adapter { .. }) = handle.result_within(wait).await
    {
        return Err(error.into());
    }
    // any other outcome of the wait shows in the job's state
    let info = handle.info().await?.ok_or(ApiError::NotFound)?;
    let result = match info.state {
        JobState::Completed => Some(handle.result().await?),
        _ => None,
    };
    Ok(Json(JobView {
        id: info.id.to_string(),
        task: info.task,
        state: info.state,
        attempts: info.attempts,
        result,
        error: info.error,
    }))
}

async fn cancel(State(app): State<App>, Path(id): Path<String>) -> Result<impl IntoResponse, ApiError> {
    match app.job_raw(id).cancel("cancelled through the API").await? {
        CancelOutcome::Cancelled => Ok((StatusCode::OK, Json(json!({ "state": "cancelled" })))),
        // it is running: it has been told to stop
        CancelOutcome::Requested => Ok((StatusCode::ACCEPTED, Json(json!({ "state": "active" })))),
        CancelOutcome::AlreadyEnded(state) => Ok((StatusCode::CONFLICT, Json(json!({ "state": state })))),
        _ => Err(ApiError::NotFound),
    }
}
