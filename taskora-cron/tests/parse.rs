//! What can be written, and what the errors say.

use taskora_cron::{Cron, CronErrorKind};

fn same(one: &str, other: &str) {
    let (one, other) = (Cron::parse(one).unwrap(), Cron::parse(other).unwrap());
    let fields = |cron: &Cron| format!("{cron:?}").split_once("fields: ").unwrap().1.to_owned();
    assert_eq!(fields(&one), fields(&other), "`{one}` and `{other}`");
}

#[test]
fn two_ways_to_write_the_same() {
    for (one, other) in [
        ("0 9 * * 1-5", "0 9 * * MON-FRI"),
        ("0 9 * * 1-5", "0 9 * * mon-Fri"),
        ("0 9 * JAN,mar 0", "0 9 * 1,3 7"),
        ("0 9 * * 5-7", "0 9 * * FRI-SUN"),
        ("0 9 * * 5,6,0", "0 9 * * FRI-SUN"),
        ("0 9 * * 0", "0 9 * * SUN-SUN"),
        ("0 9 * * 0-2", "0 9 * * SUN-TUE"),
        ("0 9 * * 1,3,5,7", "0 9 * * 1-7/2"),
        ("0 9 * * 0,2,4,6", "0 9 * * 7/2"),
        ("5-59/15 * * * *", "5/15 * * * *"),
        ("5,20,35,50 0 * * *", "5/15 0 * * *"),
        ("1-3,2-4 0 * * *", "1-4 0 * * *"),
        ("01 007 * * *", "1 7 * * *"),
        ("0 0 ? * 1", "0 0 * * 1"),
        ("0 0 1 * ?", "0 0 1 * *"),
        ("0 0 L * *", "0 0 l * *"),
        ("0 0 * * 5L", "0 0 * * fril"),
        ("0 0 * * 5#2", "0 0 * * Fri#2"),
        ("0 0 * * 7#1", "0 0 * * 0#1"),
        ("0 0 0 * * *", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * SUN"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        (" 0\t9  * * \n* ", "0 9 * * *"),
    ] {
        same(one, other);
    }
}

#[test]
fn the_text_stays_as_it_was() {
    let cron = "  */5 9-17 * * MON-FRI ".parse::<Cron>().unwrap();
    assert_eq!((cron.as_str(), cron.to_string()), ("*/5 9-17 * * MON-FRI", cron.as_str().to_owned()));
}

#[test]
fn each_mistake_is_named_at_its_place() {
    use CronErrorKind::{Backwards, Fields, Name, Outside, Syntax};
    for (expression, kind, wrong, text) in [
        ("61 * * * *", Outside, "61", "minute `61` is outside 0–59"),
        ("60 0 0 * * *", Outside, "60", "second `60` is outside 0–59"),
        ("0 24 * * *", Outside, "24", "hour `24` is outside 0–23"),
        ("0 0 0 * *", Outside, "0", "day `0` is outside 1–31"),
        ("0 1-32 * * *", Outside, "32", "hour `32` is outside 0–23"),
        ("0 0 1 13 *", Outside, "13", "month `13` is outside 1–12"),
        ("0 0 * * 8", Outside, "8", "weekday `8` is outside 0–7"),
        ("1,2,99999999999 * * * *", Outside, "99999999999", "minute `99999999999` is outside 0–59"),
        ("*/0 * * * *", Outside, "0", "minute step `0` is outside 1–59"),
        ("*/90 * * * *", Outside, "90", "minute step `90` is outside 1–59; for a longer period, use `every`"),
        ("0 */24 * * *", Outside, "24", "hour step `24` is outside 1–23; for a longer period, use `every`"),
        ("0 0 * * 5#6", Outside, "6", "weekday `5#6`: `6` is outside 1–5"),
        ("0 22-2 * * *", Backwards, "22-2", "hour range `22-2` goes backwards; write two, as in `22-23,0-2`"),
        (
            "0 0 * * FRI-MON",
            Backwards,
            "FRI-MON",
            "weekday range `FRI-MON` goes backwards; write two, as in `FRI-6,0-MON`",
        ),
        ("0 0 * * MOM", Name, "MOM", "unknown weekday `MOM`; did you mean `MON`?"),
        ("0 0 * * monday", Name, "monday", "unknown weekday `monday`; did you mean `MON`?"),
        ("0 0 * JAM *", Name, "JAM", "unknown month `JAM`; did you mean `JAN`?"),
        ("0 0 * * XYZ", Name, "XYZ", "unknown weekday `XYZ`"),
        ("@dayly", Name, "@dayly", "unknown name `@dayly`; did you mean `@daily`?"),
        ("@Daily", Name, "@Daily", "unknown name `@Daily`; did you mean `@daily`?"),
        ("@reboot", Name, "@reboot", "unknown name `@reboot`; to run at a start, use `run_on_start`"),
        ("@every", Name, "@every", "unknown name `@every`; for a period, use `every`"),
        ("@every 5m", Name, "@every", "unknown name `@every`; for a period, use `every`"),
        ("0 MON * * *", Syntax, "MON", "hour `MON` is not a number from 0 to 23"),
        ("0 0 * 1.5 *", Syntax, "1.5", "month `1.5` is not a number from 1 to 12 or a name such as `JAN`"),
        ("0 0 ?,1 * *", Syntax, "?", "day `?` is not a number from 1 to 31"),
        ("? 0 * * *", Syntax, "?", "minute `?` is not a number from 0 to 59"),
        ("0 0 15W * *", Syntax, "15W", "day `15W`: the nearest working day is not supported"),
        ("0 0 * * L", Syntax, "L", "weekday `L`: say which weekday is the last one, as in `5L`"),
        ("1, 2 * * *", Syntax, "1,", "minute `1,` has an empty entry"),
        (",1 2 * * *", Syntax, ",1", "minute `,1` has an empty entry"),
        ("-5 2 * * *", Syntax, "-5", "minute `-5`: a range has two ends, as in `1-5`"),
        ("5- 2 * * *", Syntax, "5-", "minute `5-`: a range has two ends, as in `1-5`"),
        ("1-2-3 2 * * *", Syntax, "2-3", "minute `2-3` is not a number from 0 to 59"),
        ("/5 * * * *", Syntax, "", "minute: a number from 0 to 59 is missing"),
        ("*/ * * * *", Syntax, "", "minute step `` is not a number from 1 to 59"),
        ("*/5/5 * * * *", Syntax, "5/5", "minute step `5/5` is not a number from 1 to 59"),
        ("** * * * *", Syntax, "**", "minute `**` is not a number from 0 to 59"),
        ("٣ * * * *", Syntax, "٣", "minute `٣` is not a number from 0 to 59"),
        (
            "5 * * *",
            Fields,
            "5 * * *",
            "4 fields are too few; write five (minute, hour, day, month, weekday), or six with seconds first",
        ),
        (
            "daily",
            Fields,
            "daily",
            "1 field is too few; write five (minute, hour, day, month, weekday), or six with seconds first",
        ),
        (
            "0 0 0 1 1 ? 2026",
            Fields,
            "2026",
            "7 fields are too many; write five (minute, hour, day, month, weekday), or six with seconds first",
        ),
        (
            "",
            Fields,
            "",
            "it is empty; write five (minute, hour, day, month, weekday), or six with seconds first",
        ),
    ] {
        let error = Cron::parse(expression).unwrap_err();
        assert_eq!(error.to_string(), format!("invalid cron expression `{expression}`: {text}"));
        assert_eq!(error.kind(), kind, "{expression}");
        assert_eq!(&expression[error.span()], wrong, "{expression}");
    }
    // spans are those of the text that was given, with the spaces before it
    let error = Cron::parse("  0 0  * 13 *").unwrap_err();
    assert_eq!(error.span(), 9..11);
    assert_eq!(error.to_string(), "invalid cron expression `0 0  * 13 *`: month `13` is outside 1–12");
}

#[test]
fn what_never_happens_is_refused() {
    for expression in ["0 0 30 2 *", "0 0 31 2,4,6,9,11 ?", "0 0 0 30,31 FEB *", "0 0 */28 4 MON#2"] {
        let error = Cron::parse(expression).unwrap_err();
        assert_eq!(error.to_string(), format!("`{expression}` never happens"));
        assert_eq!((error.kind(), error.span()), (CronErrorKind::Never, 0..expression.len()));
    }
    for rare in ["0 0 29 2 *", "0 0 30 2 MON", "0 0 ? FEB MON#5"] {
        assert!(Cron::parse(rare).is_ok(), "{rare}");
    }
}

#[test]
fn no_text_makes_the_parser_panic() {
    const PIECES: [&str; 36] = [
        "*",
        "/",
        "-",
        ",",
        "#",
        "?",
        "L",
        "l",
        "W",
        "@",
        " ",
        " ",
        " ",
        "\t",
        "\n",
        "0",
        "1",
        "5",
        "7",
        "12",
        "31",
        "59",
        "60",
        "4294967296",
        "MON",
        "sun",
        "FEB",
        "@daily",
        "x",
        "é",
        "٣",
        "–",
        "🕐",
        "\0",
        "`",
        ".",
    ];
    let mut state = 0x5eed_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut read, mut refused) = (0, 0);
    for round in 0..100_000 {
        let mut text = String::new();
        if round % 2 == 0 {
            (0..random(16)).for_each(|_| text.push_str(PIECES[random(PIECES.len())]));
        } else {
            // close to a right one: fields of one to three pieces
            let fields =
                (0..5 + random(2)).map(|_| (0..1 + random(3)).map(|_| PIECES[random(24)].trim()).collect());
            text = fields.collect::<Vec<String>>().join(" ");
        }
        match Cron::parse(&text) {
            Ok(cron) => {
                read += 1;
                assert_eq!(Cron::parse(cron.as_str()).as_ref(), Ok(&cron));
            }
            Err(error) => {
                refused += 1;
                assert!(text.get(error.span()).is_some(), "{text:?} {error:?}");
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(read > 100 && refused > 50_000, "{read} were read, {refused} refused");
}
