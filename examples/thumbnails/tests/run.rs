//! Runs the example as a stranger would, in memory and on Redis.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use taskora_test_server::RedisServer;

/// Of the example's own images, which are 640×400, 480×480 and 360×540: the margins, and the thumbnails.
const SHEET: (u32, u32) = (16 + 320 + 16 + 160 + 16 + 80 + 16, 16 + 200 + 16 + 320 + 16 + 480 + 16);

/// What it printed, its errors, and its exit code.
fn run(images: &[&Path], redis: Option<&str>) -> (String, String, Option<i32>) {
    let mut thumbnails = Command::new(env!("CARGO_BIN_EXE_thumbnails"));
    // it writes to the system's temporary folder, which is this one here
    thumbnails.args(images).env("TMPDIR", env!("CARGO_TARGET_TMPDIR")).env_remove("REDIS_URL");
    if let Some(url) = redis {
        thumbnails.env("REDIS_URL", url);
    }
    let Output { status, stdout, stderr } = thumbnails.output().expect("the example should start");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
    (text(stdout), text(stderr), status.code())
}

fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("images").join(name)
}

fn makes_a_sheet(redis: Option<&str>) {
    let (sheet, errors, code) = run(&[], redis);
    assert_eq!((errors.as_str(), code), ("", Some(0)));

    let sheet = Path::new(&sheet);
    let picture = image::open(sheet).expect("a sheet where it says").into_rgb8();
    assert_eq!(picture.dimensions(), SHEET);
    // each image is where it belongs, in each size: the green ring, and the night sky
    for (corner, size) in [((16, 232), 320), ((352, 232), 160), ((528, 232), 80)] {
        let ring = picture.get_pixel(corner.0 + size * 63 / 480, corner.1 + size * 385 / 480);
        assert!(ring[1] > ring[0] && ring[1] > ring[2], "{size}: {ring:?}");
        let sky = picture.get_pixel(corner.0 + 3, 568 + 3);
        assert!(sky[2] > 50 && sky[0] < 30, "{size}: {sky:?}");
    }

    let folder = sheet.parent().expect("a folder");
    for (thumbnail, expected) in
        [("1/hills-320.png", (320, 200)), ("2/shapes-160.png", (160, 160)), ("3/towers-80.png", (80, 120))]
    {
        assert_eq!(
            image::image_dimensions(folder.join(thumbnail)).expect(thumbnail),
            expected,
            "{thumbnail}"
        );
    }
    fs::remove_dir_all(folder).expect("a folder that can be removed");
}

fn names_what_is_broken(redis: Option<&str>) {
    let (printed, errors, code) = run(&[&own("hills.jpg"), Path::new("gone.png")], redis);
    assert_eq!((printed.as_str(), code), ("", Some(1)), "{errors}");
    assert!(
        errors.starts_with("failed: step `0.1.0.probe` (task `probe`) failed: cannot read `"),
        "{errors}"
    );
    assert!(errors.contains("gone.png`: No such file or directory"), "{errors}");

    // the beginning of an image: its size can be read, its pixels cannot
    let on = if redis.is_some() { "redis" } else { "memory" };
    let broken = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("broken-{on}.png"));
    let whole = fs::read(own("shapes.png")).expect("an image");
    fs::write(&broken, &whole[..whole.len() / 2]).expect("half an image");
    let (printed, errors, code) = run(&[&broken], redis);
    assert_eq!((printed.as_str(), code), ("", Some(1)), "{errors}");
    // all three resizes fail, and the first to do so ends the workflow
    assert!(errors.starts_with("failed: step `0.0.1."), "{errors}");
    assert!(errors.contains(".resize` (task `resize`) failed: cannot read `"), "{errors}");
    assert!(errors.contains(&format!("broken-{on}.png`: ")), "{errors}");
}

#[test]
fn in_memory() {
    makes_a_sheet(None);
    names_what_is_broken(None);
}

#[test]
fn on_redis() {
    let redis = RedisServer::start().unwrap();
    makes_a_sheet(Some(&redis.url()));
    names_what_is_broken(Some(&redis.url()));
}

#[test]
fn a_small_image_is_not_enlarged() {
    let small = Path::new(env!("CARGO_TARGET_TMPDIR")).join("small.png");
    image::RgbImage::new(100, 10).save(&small).expect("a small image");
    let (sheet, errors, code) = run(&[&small, &small], None);
    assert_eq!((errors.as_str(), code), ("", Some(0)));

    let dimensions = image::image_dimensions(&sheet).expect("a sheet where it says");
    assert_eq!(dimensions, (16 + 100 + 16 + 100 + 16 + 80 + 16, 16 + 10 + 16 + 10 + 16));
    fs::remove_dir_all(Path::new(&sheet).parent().expect("a folder")).expect("a folder that can be removed");
}

#[test]
fn without_a_redis_it_says_so() {
    // port 1 is reserved, and nobody listens there
    let (_, errors, code) = run(&[], Some("redis://:secret@127.0.0.1:1"));
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("127.0.0.1:1") && !errors.contains("secret"), "{errors}");
}
