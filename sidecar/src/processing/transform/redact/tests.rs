use pipeline::transform::RedactPattern;

use super::*;

fn redacted(presets: &[RedactPreset], patterns: &[(&str, &str)], text: &str) -> String {
    let patterns = patterns.iter().map(|(pattern, replacement)| RedactPattern {
        pattern: (*pattern).to_owned(),
        replacement: (*replacement).to_owned(),
    });
    let redaction = Redaction::new(&Redact {
        presets: presets.to_vec(),
        patterns: patterns.collect(),
    });
    let new = redaction.unwrap().redacted(text.as_bytes());
    new.map_or_else(|| text.to_owned(), |new| String::from_utf8(new).unwrap())
}

#[test]
fn card_numbers_are_found_and_other_numbers_left_alone() {
    for (text, expected) in [
        ("paid 4111111111111111 ok", "paid [CreditCard] ok"),
        ("4111-1111-1111-1111,", "[CreditCard],"),
        ("card=5555 5555 5555 4444.", "card=[CreditCard]."),
        ("amex 378282246310005", "amex [CreditCard]"),
        ("diners 30569309025904", "diners [CreditCard]"),
        ("amex 3782 822463 10005", "amex [CreditCard]"),
        ("19 digits 6212 3456 7890 0000 003", "19 digits [CreditCard]"),
        (r"text\n4111111111111111\tmore", r"text\n[CreditCard]\tmore"),
        ("order 12 4111 1111 1111 1111 34 end", "order 12 [CreditCard] 34 end"),
        ("two 4111111111111111 4012888888881881", "two [CreditCard] [CreditCard]"),
        // The last digit is wrong; a number without a scheme; longer; part of an id; a fraction; a time.
        ("4111111111111112", "4111111111111112"),
        ("9999999999999995", "9999999999999995"),
        ("41111111111111111111111", "41111111111111111111111"),
        ("id-a4111111111111111", "id-a4111111111111111"),
        ("0.4111111111111111", "0.4111111111111111"),
        ("ts=1793491200123456789", "ts=1793491200123456789"),
        // Digits that nobody groups like that.
        ("41 11 11 11 11 11 11 11", "41 11 11 11 11 11 11 11"),
        ("4111 1111-1111 1111", "4111 1111-1111 1111"),
        ("4111 1111 1111 1 111", "4111 1111 1111 1 111"),
    ] {
        assert_eq!(redacted(&[RedactPreset::CreditCard], &[], text), expected);
    }
}

#[test]
fn addresses_are_found_and_versions_left_alone() {
    for (text, expected) in [
        ("from 10.0.0.1:80", "from [IPv4]:80"),
        ("from 192.168.1.255.", "from [IPv4]."),
        ("10.0.0.1,10.0.0.2", "[IPv4],[IPv4]"),
        ("version 1.2.3.4.5", "version 1.2.3.4.5"),
        ("v1.2.3.4", "v1.2.3.4"),
        ("Chrome/120.0.0.0 Safari/537.36", "Chrome/120.0.0.0 Safari/537.36"),
        ("shop/10.0.0.5:80 and /10.0.0.6", "shop/[IPv4]:80 and /[IPv4]"),
        ("http://10.0.0.1/a 10.0.0.0/8", "http://[IPv4]/a [IPv4]/8"),
        (
            "System.Runtime, Version=8.0.0.0, Culture=neutral",
            "System.Runtime, Version=8.0.0.0, Culture=neutral",
        ),
        ("version: \"1.2.3.4\"", "version: \"1.2.3.4\""),
        ("oid 1.3.6.1.4.1", "oid 1.3.6.1.4.1"),
        (r"a\n10.0.0.1\n", r"a\n[IPv4]\n"),
        ("1.2.3.256", "1.2.3.256"),
        ("1.2.3", "1.2.3"),
    ] {
        assert_eq!(redacted(&[RedactPreset::IPv4], &[], text), expected);
    }
}

#[test]
fn mail_addresses_and_tokens_are_found() {
    for (text, expected) in [
        ("to jane.doe+x@mail.example.com now", "to [Email] now"),
        ("user@localhost", "user@localhost"),
        ("a@b.c", "a@b.c"),
        ("getty@tty1.service icon@2x.png", "getty@tty1.service icon@2x.png"),
        ("nginx@sha256:ab lodash@4.17.21", "nginx@sha256:ab lodash@4.17.21"),
        ("(first.last@sub.example.co.uk)", "([Email])"),
        ("cookie=eyJhbGciOiJSU0EifQ.a2V5.aXY.dGV4dA.dGFn;", "cookie=[JWT];"),
        (
            "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln end",
            "Bearer [JWT] end",
        ),
        ("eyJ is not a token", "eyJ is not a token"),
    ] {
        assert_eq!(redacted(&[RedactPreset::Email, RedactPreset::Jwt], &[], text), expected);
    }
}

#[test]
fn own_patterns_may_keep_a_part() {
    let own = [(r"(token=)\S+", "$1***"), ("secret", "$$$$")];
    assert_eq!(
        redacted(&[], &own, "a token=abc secret token=d"),
        "a token=*** $$ token=***"
    );
    assert_eq!(redacted(&[], &[("x*", "-")], "axb"), "a-b", "nothing isn't replaced");
}

/// Lines of a running system, without a secret in any of them.
fn harmless(number: u64) -> [String; 9] {
    let noise = xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes());
    let part = |shift: u32, modulo: u128| (noise >> shift) % modulo;
    [
        format!(
            "1793{:09} {}{:012} id={noise:032x}",
            part(0, 1 << 29),
            17,
            part(32, 1_000_000_000_000)
        ),
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            part(0, 1 << 32),
            part(32, 1 << 16),
            part(48, 1 << 12),
            part(60, 1 << 12),
            part(72, 1 << 48)
        ),
        format!(
            "2026-11-{:02} {:02}:{:02}:{:02}.{:06} took {} ms",
            part(0, 30),
            part(8, 24),
            part(16, 60),
            part(24, 60),
            part(32, 1_000_000),
            part(64, 100_000)
        ),
        format!(
            "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/{}.0.0.0 Safari/537.36 Edg/{}.0.{}.{}",
            part(0, 140),
            part(8, 140),
            part(16, 4000),
            part(32, 99)
        ),
        format!(
            "lib-{}.{}.{}.jar v{}.{}.{}.{} sha256:{noise:032x}",
            part(0, 9),
            part(8, 20),
            part(16, 99),
            part(24, 9),
            part(32, 9),
            part(40, 9),
            part(48, 999)
        ),
        format!(
            "at com.example.Cart.load(Cart.java:{1}) of com.example.Cart@{0:x}, {2}x{3}",
            part(0, 1 << 32),
            part(32, 999),
            part(48, 5000),
            part(64, 5000)
        ),
        format!(
            "{} {} {} {} {} {}",
            part(0, 99),
            part(8, 999),
            part(20, 9999),
            part(40, 99_999),
            part(60, 999),
            part(80, 9)
        ),
        format!(
            "GET /orders/{}/items?session={:024x} 200 {}",
            part(0, 1 << 40),
            part(40, 1 << 80),
            part(20, 99_999)
        ),
        format!(
            "docker.io/library/app@sha256:{noise:064x} user@host:{} a@b",
            part(0, 65_536)
        ),
    ]
}

#[test]
fn next_to_nothing_of_a_system_without_secrets_is_taken_for_one() {
    let redaction = Redaction::new(&Redact {
        presets: vec![
            RedactPreset::CreditCard,
            RedactPreset::Email,
            RedactPreset::Jwt,
            RedactPreset::IPv4,
        ],
        patterns: Vec::new(),
    });
    let redaction = redaction.unwrap();
    let found = |lines: &mut dyn Iterator<Item = String>| {
        lines
            .filter(|line| redaction.redacted(line.as_bytes()).is_some())
            .count()
    };
    let harmless = found(&mut (0..2000).flat_map(harmless));
    assert!(harmless <= 18, "{harmless} of 18000 lines");
    // Of ten numbers one passes the Luhn check, and of those one in three begins like a card's.
    let digits = |number: u64| xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes()) % 10_000_000_000_000_000;
    let numbers = found(&mut (0..5000).map(|number| format!("order {:016}", digits(number))));
    assert!((1..=250).contains(&numbers), "{numbers} of 5000 numbers with 16 digits");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]
    /// A closer look would find nothing either.
    #[test]
    fn what_is_not_worth_a_look_has_no_match(text in "([a-z@.]{0,14}|[0-9 -]{0,30}|[0-9]{1,3}[.]){0,6}") {
        for preset in [RedactPreset::CreditCard, RedactPreset::Email, RedactPreset::IPv4] {
            let rule = Rule::preset(preset).unwrap();
            if !rule.check.may_match(text.as_bytes()) {
                proptest::prop_assert!(!rule.regex.is_match(text.as_bytes()), "{:?} {:?}", preset, text);
            }
        }
    }

    #[test]
    fn any_text_is_gone_through_and_valid_text_stays_valid(text in "[0-9. @a-zé-]{0,60}") {
        let all = [RedactPreset::CreditCard, RedactPreset::Email, RedactPreset::Jwt, RedactPreset::IPv4];
        let once = redacted(&all, &[("", "")], &text);
        proptest::prop_assert_eq!(redacted(&all, &[], &once), once.clone());
    }
}
