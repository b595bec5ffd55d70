//! The API's error responses.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use taskora::{AdapterError, DispatchError, JobError};

pub(crate) enum ApiError {
    NotFound,
    Dispatch(DispatchError),
    Job(JobError),
    Adapter(AdapterError),
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "no such job".to_owned()),
            Self::Dispatch(error @ DispatchError::TooLarge { .. }) => {
                (StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
            }
            Self::Dispatch(error) if error.is_retryable() => {
                (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            Self::Dispatch(error) => (StatusCode::BAD_REQUEST, error.to_string()),
            Self::Job(JobError::NotFound { .. }) => (StatusCode::NOT_FOUND, "no such job".to_owned()),
            Self::Job(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            Self::Adapter(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        };
        (status, Json(json!({ "error": message }))).into_response()
    }
}

impl From<DispatchError> for ApiError {
    fn from(error: DispatchError) -> Self {
        Self::Dispatch(error)
    }
}

impl From<JobError> for ApiError {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}

impl From<AdapterError> for ApiError {
    fn from(error: AdapterError) -> Self {
        Self::Adapter(error)
    }
}
