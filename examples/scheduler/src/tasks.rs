//! What runs by itself, and when.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use taskora::prelude::*;

/// The folder that the jobs look after.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// That of `SCHEDULER_FOLDER`, or one for this example in the system's temporary folder. It is created.
    pub(crate) fn open() -> io::Result<Self> {
        let folder = match std::env::var_os("SCHEDULER_FOLDER") {
            Some(folder) => PathBuf::from(folder),
            None => std::env::temp_dir().join("taskora-scheduler"),
        };
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Its files, with their ages.
    fn files(&self) -> io::Result<Vec<(PathBuf, Duration)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_file() {
                files.push((
                    entry.path(),
                    SystemTime::now().duration_since(about.modified()?).unwrap_or_default(),
                ));
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Shows that the fleet works: writes a file whose age somebody may watch. However many replicas there are, each beat is one job.
#[task(schedule(every = "30s", enabled_by = "HEARTBEAT_ENABLED"), timeout = "10s")]
pub(crate) async fn heartbeat(ctx: &Context, folder: State<Folder>) -> io::Result<()> {
    tracing::info!("heartbeat: {}", ctx.id());
    tokio::fs::write(folder.path().join("heartbeat"), ctx.id().to_string()).await
}

/// Removes files that nobody has changed for some days, each night in Berlin. If no worker was there at night, it runs as soon as one is,
/// but not in working hours.
#[task(
    schedule(name = "nightly", cron = "0 3 * * *", tz = "Europe/Berlin", with(days = 30), max_late = "4h"),
    retry(attempts = 3, delay = "1m"),
    timeout = "10m",
    blocking
)]
pub(crate) fn clean_up(days: u64, folder: State<Folder>) -> io::Result<usize> {
    let mut removed = 0;
    for (file, age) in folder.files()? {
        if age > Duration::from_secs(days * 24 * 60 * 60) {
            fs::remove_file(file)?;
            removed += 1;
        }
    }
    tracing::info!("clean-up: {removed} files removed");
    Ok(removed)
}

/// Runs whenever a worker starts, unless a replica is at it already.
#[task(schedule(manual, run_on_start = always), blocking)]
pub(crate) fn survey(folder: State<Folder>) -> io::Result<usize> {
    let files = folder.files()?.len();
    tracing::info!("survey: {files} files");
    Ok(files)
}

/// Runs only when somebody asks for it: `cargo run -p scheduler -- trigger export`.
#[task(schedule(manual), blocking)]
pub(crate) fn export(folder: State<Folder>) -> io::Result<usize> {
    let files = folder.files()?;
    let names: String = files.iter().map(|(file, _)| format!("{}\n", file.display())).collect();
    fs::write(folder.path().join("export.txt"), names)?;
    tracing::info!("export: {} names written", files.len());
    Ok(files.len())
}
