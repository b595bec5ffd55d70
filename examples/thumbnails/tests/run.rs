//! Runs the example as a stranger would, in memory and on Redis.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use taskora_test_server::RedisServer;

/// What it printed, what it complained of, and its exit code. What it writes is gone with the directory.
fn run(folder: &Path, files: &[&Path], redis: Option<&str>) -> (String, String, Option<i32>) {
    let mut thumbnails = Command::new(env!("CARGO_BIN_EXE_thumbnails"));
    thumbnails.args(files).env_remove("REDIS_URL").env("TMPDIR", folder);
    if let Some(url) = redis {
        thumbnails.env("REDIS_URL", url);
    }
    let Output { status, stdout, stderr } = thumbnails.output().expect("the example should start");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    (text(&stdout), text(&stderr), status.code())
}

/// A folder of this test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn makes_one_sheet(name: &str, redis: Option<&str>) {
    let folder = Folder::new(name);
    let (sheet, complaint, code) = run(&folder.0, &[], redis);
    assert_eq!((complaint.as_str(), code), ("", Some(0)));
    let sheet = image::open(&sheet).unwrap_or_else(|error| panic!("`{sheet}`: {error}"));
    // three columns of 320, 160 and 80 pixels, and a margin of 16 around each
    assert_eq!(sheet.width(), 320 + 160 + 80 + 4 * 16);
    let pixels = sheet.to_rgb8();
    let paper = *pixels.get_pixel(0, 0);
    for x in [16, 16 + 320 + 16, 16 + 320 + 16 + 160 + 16] {
        let column: Vec<_> = (16..sheet.height()).map(|y| *pixels.get_pixel(x + 20, y)).collect();
        assert!(column.iter().any(|pixel| *pixel != paper), "there is something in the column at {x}");
    }
}

#[test]
fn in_memory() {
    makes_one_sheet("thumbnails-memory", None);
}

#[test]
fn on_redis() {
    let redis = RedisServer::start().unwrap();
    makes_one_sheet("thumbnails-redis", Some(&redis.url()));
}

#[test]
fn a_file_that_is_no_image_fails_the_workflow_with_its_step_and_the_reason() {
    let folder = Folder::new("thumbnails-broken");
    let broken = folder.0.join("broken.png");
    std::fs::write(&broken, "no image").expect("a file");
    let (printed, complaint, code) = run(&folder.0, &[&broken], None);
    assert_eq!((printed.as_str(), code), ("", Some(1)));
    assert!(complaint.contains("(task `probe`) failed: cannot read"), "{complaint}");
    assert!(complaint.contains("broken.png"), "{complaint}");
}
