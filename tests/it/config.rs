//! The configuration: every error at once, with its remedy; secrets are never shown.

use std::time::Duration;

use comanda::config::{self, Config, Mode, Source};
use comanda::variables::{UNREAD, VARIABLES};
use serde_json::Value;

fn faults(pairs: &[(&str, &str)]) -> Vec<String> {
    Config::read(&Source::from_pairs(pairs.iter().copied())).expect_err("faults").0
}

#[test]
fn everything_has_a_default() {
    let config = Config::read(&Source::default()).unwrap();
    assert_eq!((config.mode, config.http.port), (Mode::Development, 3000));
    assert_eq!(config.accounts.access_life, Duration::from_mins(10));
    assert!(config.postgres.url.is_none() && config.redis_url.is_none());
}

#[test]
fn an_empty_value_counts_as_not_set() {
    let config = Config::read(&Source::from_pairs([("PORT", ""), ("DATABASE_URL", ""), ("JWT_SECRET", "")])).unwrap();
    assert_eq!(config.http.port, 3000);
    assert!(config.postgres.url.is_none() && config.accounts.jwt_secret.is_none());
}

#[test]
fn every_fault_is_named_at_once_with_its_remedy() {
    let bad = [
        ("MODE", "prod", "must be development or production"),
        ("PORT", "70000", "must be a whole number from 0 to 65535"),
        ("HOST", "localhost", "must be an IP address"),
        ("JWT_EXPIRES_IN", "10", "must be a time such as 500ms, 30s, 15m, 12h or 7d"),
        ("JWT_REFRESH_EXPIRES_IN", "0s", "and not zero"),
        ("JWT_SECRET", "short", "openssl rand"),
        ("DATABASE_URL", "mysql://localhost", "must begin with postgres://"),
        ("REDIS_URL", "localhost:6379", "must begin with redis://"),
        ("DATABASE_POOL", "1", "must be a whole number from 2"),
        ("CLOUDINARY_API_KEY", "1", "CLOUDINARY_CLOUD_NAME, CLOUDINARY_API_SECRET is not"),
        ("TWILIO_ACCOUNT_SID", "AC1", "not available in this version"),
        ("LOG_FORMAT", "xml", "must be text or json"),
    ];
    let pairs: Vec<_> = bad.iter().map(|(name, value, _)| (*name, *value)).collect();
    let faults = faults(&pairs);
    assert_eq!(faults.len(), bad.len(), "{faults:#?}");
    for (name, _, remedy) in bad {
        assert!(faults.iter().any(|fault| fault.contains(name) && fault.contains(remedy)), "{name}: {faults:#?}");
    }
}

#[test]
fn production_refuses_secrets_that_repeat_a_pattern() {
    let complains = |secret: &str| {
        let faults = faults(&[("MODE", "production"), ("SEAL_SECRET", secret)]);
        faults.iter().any(|fault| fault.starts_with("SEAL_SECRET repeats"))
    };
    for weak in [
        "00000000000000000000000000000000",
        "abcabcabcabcabcabcabcabcabcabcabc",
        "0123456789abcdef0123456789abcdef",
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "zyxwvutsrqponmlkjihgfedcba9876543210",
        "hunter2-hunter2-hunter2-hunter2-hunter2",
        "1111111111111111111111111111111111111112",
    ] {
        assert!(complains(weak), "{weak}");
    }
    for random in [
        "9f86d081884c7d659a2feaa0c55ad015",
        "kOq1r5hXh0m8WJm4o0yE2mTgk9w1bS7uXq3d",
        "V2hhdCBhIG5pY2UgZGF5IGZvciBhIHdhbGsgaW4gdGhl",
        "correct horse battery staple and more words",
    ] {
        assert!(!complains(random), "{random}");
    }
}

#[test]
fn production_requires_strong_secrets() {
    let missing = faults(&[("MODE", "production")]);
    assert!(missing.iter().any(|fault| fault.starts_with("JWT_SECRET is missing")), "{missing:#?}");
    assert!(missing.iter().any(|fault| fault.starts_with("JWT_REFRESH_SECRET is missing")), "{missing:#?}");
    let long = "0123456789abcdef0123456789abcdef";
    let same = faults(&[("JWT_SECRET", long), ("JWT_REFRESH_SECRET", long)]);
    assert!(same.iter().any(|fault| fault.contains("are the same")), "{same:#?}");
    let sample = faults(&[("JWT_SECRET", "changeme-changeme-changeme-changeme")]);
    assert!(sample.iter().any(|fault| fault.contains("well-known")), "{sample:#?}");
}

#[test]
fn previous_secrets_are_accepted_like_current_ones() {
    let good = "kOq1r5hXh0m8WJm4o0yE2mTgk9w1bS7uXq3d";
    for name in ["JWT_SECRET_PREVIOUS", "JWT_REFRESH_SECRET_PREVIOUS"] {
        let present = name.strip_suffix("_PREVIOUS").unwrap();
        for (value, wanted) in [
            ("short", "is shorter than 32 bytes"),
            ("changeme-changeme-changeme-changeme", "well-known sample"),
            ("your-secret-key-that-everybody-copies", "well-known sample"),
            (good, "are the same"),
            ("00000000000000000000000000000000", "repeats a pattern"),
        ] {
            let faults = faults(&[("MODE", "production"), (name, value), (present, good)]);
            let of_it = faults.iter().any(|fault| fault.contains(name) && fault.contains(wanted));
            assert!(of_it, "{name}={value}: {faults:#?}");
        }
        let other = faults(&[("MODE", "production"), (name, "V2hhdCBhIG5pY2UgZGF5IGZvciBhIHdhbGsgaW4gdGhl")]);
        assert!(!other.iter().any(|fault| fault.contains(name)), "{other:#?}");
    }
}

#[test]
fn trusted_proxies_cannot_be_all_addresses() {
    for wide in [
        "0.0.0.0/0",
        "::/0",
        "10.0.0.1, 0.0.0.0/0",
        "0.0.0.0/1, 128.0.0.0/1",
        "8.0.0.0/8",
        "203.0.113.0/11",
        "2000::/3",
        "2001::/16",
        "fc00::/6",
        "127.0.0.0/7",
    ] {
        let faults = faults(&[("TRUSTED_PROXIES", wide)]);
        assert!(faults.iter().any(|fault| fault.contains("public addresses of many others")), "{wide}: {faults:#?}");
    }
    let many = |ranges: std::ops::Range<u32>| {
        ranges.map(|n| format!("{}.{}.0.0/12", 20 + n / 16, n % 16 * 16)).collect::<Vec<_>>().join(",")
    };
    assert!(faults(&[("TRUSTED_PROXIES", &many(0..17))])[0].contains("together hold too many public addresses"));
    let fine = [
        "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 127.0.0.0/8, fc00::/7, ::1, fe80::/10",
        "173.245.48.0/20, 104.16.0.0/13, 172.64.0.0/13, 162.158.0.0/15, 2400:cb00::/32, 2a06:98c0::/29",
        "203.0.113.7, 2001:db8::1",
        &many(0..16),
    ];
    for proxies in fine {
        assert!(Config::read(&Source::from_pairs([("TRUSTED_PROXIES", proxies)])).is_ok(), "{proxies}");
    }
}

#[test]
fn defaults_in_production_are_stricter() {
    let secrets = ["JWT_SECRET", "JWT_REFRESH_SECRET", "SEAL_SECRET"]
        .map(|name| (name, format!("0123456789abcdef0123456789abcdef {name}")));
    let read = |further: &[(&str, &str)]| {
        let secrets = secrets.iter().map(|(name, value)| (*name, value.as_str()));
        Config::read(&Source::from_pairs(secrets.chain(further.iter().copied()))).unwrap()
    };
    let sockets = |config: &Config| (config.sockets.max_per_user, config.sockets.max_per_address);
    let production = read(&[("MODE", "production")]);
    assert!(production.accounts.admin_second_factor);
    assert_eq!((production.http.max_connections_per_address, sockets(&production)), (200, (10, 50)));
    let development = read(&[("MAX_CONNECTIONS", "500")]);
    assert!(!development.accounts.admin_second_factor);
    assert_eq!((development.http.max_connections_per_address, sockets(&development)), (500, (500, 500)));
    let said = [("MODE", "production"), ("ADMIN_SECOND_FACTOR", "optional"), ("SOCKET_MAX_PER_USER", "3")];
    let said = read(&said);
    assert_eq!((said.accounts.admin_second_factor, sockets(&said)), (false, (3, 50)));
    assert!(read(&[("ADMIN_SECOND_FACTOR", "required")]).accounts.admin_second_factor);
    for (name, value, wanted) in [
        ("ADMIN_SECOND_FACTOR", "yes", "must be auto, required or optional"),
        ("SOCKET_MAX_PER_USER", "0", "must be auto, or a whole number from 1 to 1000000"),
        ("SOCKET_EVENTS", "many", "must be a number and a time such as 100/5s, or auto"),
        ("SOCKET_MAX_PER_ADDRESS", "many", "must be auto, or a whole number from 1 to 1000000"),
    ] {
        assert!(faults(&[(name, value)])[0].contains(wanted), "{name}");
    }
}

#[test]
fn secrets_are_hidden_wherever_a_configuration_is_shown() {
    let secrets: Vec<_> = VARIABLES.iter().filter(|variable| variable.secret).map(|variable| variable.name).collect();
    for name in ["JWT_SECRET", "JWT_REFRESH_SECRET", "DATABASE_URL", "REDIS_URL", "CLOUDINARY_API_SECRET"] {
        assert!(secrets.contains(&name), "{name} is secret");
    }
    let hidden = "hunter2-hunter2-hunter2-hunter2-hunter2";
    let source = Source::from_pairs(secrets.iter().map(|name| (*name, hidden)));
    let shown = config::effective(&source);
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("(set, hidden)"), "{shown}");
    let url = format!("postgres://ada:{hidden}@db/x");
    let pairs = [("DATABASE_URL", url.as_str()), ("JWT_SECRET", hidden), ("CLOUDINARY_API_KEY", "1"), ("PORT", "x")];
    assert!(!format!("{:?}", Config::read(&Source::from_pairs([pairs[0], pairs[1]])).unwrap()).contains("hunter2"));
    assert!(!faults(&pairs).join("\n").contains("hunter2"));
}

#[test]
fn the_example_file_is_the_table_of_variables() {
    let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example")).unwrap();
    assert_eq!(file, config::example_file(), "write it anew: cargo run -- config --example > .env.example");
    for name in [
        "DATABASE_URL",
        "REDIS_URL",
        "JWT_SECRET",
        "JWT_REFRESH_SECRET",
        "JWT_EXPIRES_IN",
        "JWT_REFRESH_EXPIRES_IN",
        "CLOUDINARY_CLOUD_NAME",
        "CLOUDINARY_API_KEY",
        "CLOUDINARY_API_SECRET",
        "PORT",
    ] {
        assert!(file.contains(&format!("\n#{name}=")), "{name} is documented");
    }
    // Uncommented, it is a valid configuration; only variables without a default are left out.
    let lines = file.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let defaults =
        lines.filter(|(name, _)| VARIABLES.iter().any(|variable| variable.name == *name && variable.default.is_some()));
    Config::read(&Source::from_pairs(defaults)).unwrap();
}

/// A user who sets a provider's variables expects that messages are sent.
#[test]
fn unknown_variables_stop_the_start_and_are_not_documented() {
    for unread in UNREAD {
        assert!(!config::example_file().contains(unread.name), "{} is offered", unread.name);
        let fault = faults(&[(unread.name, "hunter2")]).join("\n");
        assert!(fault.starts_with(unread.name) && fault.contains("remove the variable"), "{fault}");
        assert!(!fault.contains("hunter2"), "{fault}");
        Config::read(&Source::from_pairs([(unread.name, "")])).unwrap();
    }
    let refused = crate::binary::comanda(&["migrate"], &[("TWILIO_AUTH_TOKEN", "hunter2")]);
    assert!(!refused.status.success());
    let complaint = String::from_utf8_lossy(&refused.stderr);
    assert!(complaint.contains("TWILIO_AUTH_TOKEN is set, but text messages through Twilio"), "{complaint}");
}

#[test]
fn every_variable_is_shown_with_where_it_comes_from() {
    let shown = config::effective(&Source::from_pairs([("PORT", "4000")]));
    assert_eq!(shown.lines().count(), VARIABLES.len());
    let port = shown.lines().find(|line| line.starts_with("PORT ")).unwrap();
    assert_eq!(port.split_whitespace().collect::<Vec<_>>(), ["PORT", "set", "4000"]);
    assert_eq!(Value::from(shown.contains("(not set)")), Value::Bool(true));
}
