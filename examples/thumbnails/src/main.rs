//! Makes thumbnails of images, in three sizes each, and one contact sheet of them all: a workflow.
//!
//! ```text
//! cargo run -p thumbnails                          the three images of this example, jobs in memory
//! cargo run -p thumbnails -- cat.jpg dog.png       the JPEG and PNG files you name
//! REDIS_URL=redis://127.0.0.1:6379 cargo run -p thumbnails
//! ```
//!
//! Prints the path of the contact sheet; the thumbnails are in folders beside it. Exits with 0 if the workflow completed,
//! 1 if it failed, and 2 if it could not be run at all.

mod picture;
mod sheet;

use std::env;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use taskora::prelude::*;
use taskora::workflow::Bound;
use taskora_redis::{RedisAdapter, RedisConfig};

use picture::{Picture, PictureError};

/// Looks at how large an image is, which takes only the beginning of the file.
#[task(blocking)]
fn probe(path: PathBuf) -> Result<Picture, PictureError> {
    Picture::probe(path)
}

/// Writes the image, at most `width` pixels wide, into `folder`, and returns the new file. Running it again writes the
/// same file again. At most four at once, since each holds a whole image in memory.
#[task(blocking, concurrency = 4)]
fn resize(picture: Picture, width: u32, folder: PathBuf) -> Result<PathBuf, PictureError> {
    picture.resize(width, &folder)
}

/// Puts the thumbnails on one sheet, a row for each image, and returns the sheet's path.
#[task(blocking)]
fn contact_sheet(rows: Vec<(PathBuf, PathBuf, PathBuf)>, to: PathBuf) -> Result<PathBuf, PictureError> {
    let read =
        |(large, medium, small)| Ok([picture::read(large)?, picture::read(medium)?, picture::read(small)?]);
    let rows = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    picture::write(&sheet::of(&rows), &to)?;
    Ok(to)
}

/// For each image: probe it, then resize it three times side by side. When all of them are done, the contact sheet.
fn thumbnails(images: Vec<PathBuf>, folder: &Path) -> Workflow<Bound, PathBuf> {
    let rows = images.into_iter().enumerate().map(|(n, path)| {
        // what is still open, `picture`, is what `Probe` returns
        let resize = |width: u32| Resize::s().width(width).folder(folder.join((n + 1).to_string()));
        Probe { path }.then(group((resize(320), resize(160), resize(80))))
    });
    chord(rows.collect::<Vec<_>>(), ContactSheet::s().to(folder.join("contact-sheet.png")))
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(Ok(sheet)) => {
            println!("{}", sheet.display());
            ExitCode::SUCCESS
        }
        Ok(Err(failure)) => {
            eprintln!("failed: {failure}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the workflow: the contact sheet's path, or how the workflow ended without one.
async fn run() -> Result<Result<PathBuf, WorkflowError>, Box<dyn Error>> {
    let app = connect().await?;
    let worker = Worker::builder(&app).register_all(tasks![Probe, Resize, ContactSheet]).start().await?;

    let id = WorkflowId::new();
    let folder = env::temp_dir().join(format!("thumbnails-{id}"));
    let handle = app.dispatch(thumbnails(chosen()?, &folder)).id(id).await?;
    let result = handle.result().await;

    worker.shutdown().await?;
    Ok(result)
}

/// The files named on the command line, or else the example's own. Absolute, since the worker may run elsewhere.
fn chosen() -> io::Result<Vec<PathBuf>> {
    let named = env::args_os().skip(1).map(std::path::absolute).collect::<io::Result<Vec<_>>>()?;
    if named.is_empty() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("images");
        return Ok(["hills.jpg", "shapes.png", "towers.png"].map(|name| own.join(name)).into());
    }
    Ok(named)
}

/// An app on the Redis that `REDIS_URL` names, or in memory.
async fn connect() -> taskora::Result<App> {
    Ok(match env::var("REDIS_URL") {
        Ok(url) => App::new(RedisAdapter::connect(RedisConfig::new(url).namespace("thumbnails")).await?),
        Err(_) => App::new(MemoryAdapter::new()),
    })
}
