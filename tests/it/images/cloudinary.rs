//! Cloudinary: signatures compared with the official vectors, the client against a fake with faults, and both compared
//! with the official description.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use comanda::images::actions::delete_unused::delete_unused;
use comanda_providers::images::cloudinary::{Settings, Signature, sign};
use comanda_providers::images::{Bounds, Cloudinary, PreparedImage, StoreError, StoreImage as _, prepare};
use serde_json::Value;

use super::fake::{CLOUD, Fake, Fault, KEY, PATIENCE, SECRET};
use super::{Folder, files, image_path_of, sends, spec};
use crate::app::TestApp;

fn client(fake: &Fake, secret: &str) -> Cloudinary {
    Cloudinary::new(Settings {
        base_url: fake.base.clone(),
        delivery_url: "https://res.cloudinary.com".into(),
        cloud_name: CLOUD.into(),
        api_key: KEY.into(),
        api_secret: secret.to_owned().into(),
        signature: Signature::Sha1,
        timeout: PATIENCE,
        pause: Duration::from_millis(1),
    })
    .unwrap()
}

fn image() -> PreparedImage {
    prepare(&files::jpeg(64, 48), Bounds { max_pixels: 1_000_000 }).unwrap()
}

#[test]
fn signatures_are_those_of_the_official_vectors() {
    let Some(vectors) = spec::shared("signature_vectors.json") else { return };
    let cases = vectors["api_sign_request"].as_array().unwrap();
    assert!(cases.len() >= 5);
    for case in cases {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let parameters = case["params"].as_object().unwrap();
        let parameters: BTreeMap<_, _> = parameters.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
        let signature = if case["algorithm"] == "sha256" { Signature::Sha256 } else { Signature::Sha1 };
        assert_eq!(case["version"], 2);
        assert_eq!(sign(signature, &parameters, case["secret"].as_str().unwrap()), case["signature"].as_str().unwrap());
    }
}

#[tokio::test]
async fn an_image_is_stored_once_and_served_in_every_size() {
    let fake = Fake::start().await;
    let (client, image) = (client(&fake, SECRET), image());
    let first = client.put("rst_a/img_b", &image).await.unwrap();
    assert_eq!(client.put("rst_a/img_b", &image).await.unwrap(), first);
    assert_eq!(fake.images(), BTreeMap::from([("rst_a/img_b".to_owned(), image.hero.clone())]));
    let base = "https://res.cloudinary.com/demo-cloud/image/upload";
    assert_eq!(first.thumb, format!("{base}/c_fill,g_auto,h_160,w_160/f_auto,q_auto/v1700000000/rst_a/img_b.jpg"));
    assert_eq!(first.card, format!("{base}/c_fill,g_auto,h_300,w_400/f_auto,q_auto/v1700000000/rst_a/img_b.jpg"));
    assert_eq!(first.detail, format!("{base}/c_limit,h_800,w_800/f_auto,q_auto/v1700000000/rst_a/img_b.jpg"));
    assert_eq!(first.hero, format!("{base}/c_limit,h_1600,w_1600/f_auto,q_auto/v1700000000/rst_a/img_b.jpg"));
    client.remove("rst_a/img_b").await.unwrap();
    client.remove("rst_a/img_b").await.unwrap();
    assert!(fake.images().is_empty());
    fake.agrees();
}

#[tokio::test]
async fn only_temporary_errors_are_retried() {
    let fake = Fake::start().await;
    let (client, image) = (client(&fake, SECRET), image());
    let passing = [
        Fault::Silence,
        Fault::Lost,
        Fault::BreakOff,
        Fault::Answer(500, "{\"error\":{\"message\":\"General Error\"}}".into()),
        Fault::Answer(502, "<html>Bad gateway</html>".into()),
        Fault::Answer(503, String::new()),
        Fault::Answer(429, "{\"error\":{\"message\":\"Too many concurrent requests\"}}".into()),
    ];
    for fault in passing {
        let name = format!("{fault:?}");
        fake.fails([fault.clone(), fault.clone()]);
        client.put("a/b", &image).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(fake.asked(), 3, "{name}");
        fake.fails([fault.clone(), fault.clone(), fault]);
        let given_up = client.put("a/b", &image).await.unwrap_err();
        assert!(matches!(given_up, StoreError::Unavailable(_)), "{name}: {given_up}");
        assert_eq!(fake.asked(), 3, "{name}");
    }
    for fault in [Fault::Forged, Fault::Endless, Fault::Answer(200, "{}".into()), Fault::Answer(302, String::new())] {
        fake.fails([fault.clone()]);
        let error = client.put("a/b", &image).await.unwrap_err();
        assert!(matches!(error, StoreError::Garbage(_)), "{fault:?}: {error}");
        assert_eq!(fake.asked(), 1, "{fault:?}");
    }
    fake.agrees();
}

#[tokio::test]
async fn every_refusal_has_a_class() {
    let Some(table) = spec::shared("cloudinary_responses.json") else { return };
    let fake = Fake::start().await;
    let (client, image) = (client(&fake, SECRET), image());
    for case in table["responses"].as_array().unwrap() {
        let status = u16::try_from(case["http"].as_u64().unwrap()).unwrap();
        let tries = if case["action"].as_str().unwrap().starts_with("retry_backoff") { 3 } else { 1 };
        fake.fails(vec![Fault::Answer(status, case["body"].to_string()); tries]);
        let error = client.put("a/b", &image).await.unwrap_err();
        let fits = match status {
            400 => matches!(error, StoreError::Refused(_)),
            401 => matches!(error, StoreError::Account(_)),
            420 => matches!(error, StoreError::TooOften(_)),
            _ => matches!(error, StoreError::Unavailable(_)),
        };
        assert!(fits, "{case}: {error:?}");
        assert_eq!(fake.asked(), tries, "{case}");
        let message = case["body"]["error"]["message"].as_str().unwrap();
        assert!(error.to_string().contains(&message.chars().take(100).collect::<String>()), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_provider_secret_is_an_account_error_and_not_logged() {
    let fake = Fake::start().await;
    let client = client(&fake, "a wrong secret");
    for error in [client.put("a/b", &image()).await.unwrap_err(), client.remove("a/b").await.unwrap_err()] {
        assert!(matches!(error, StoreError::Account(_)), "{error}");
        assert!(!format!("{error} {error:?} {client:?}").contains("a wrong secret"));
    }
    assert_eq!(fake.asked(), 2);
    assert!(fake.images().is_empty());
    fake.agrees();
}

#[tokio::test]
async fn a_restaurant_shows_images_stored_at_cloudinary() {
    let (fake, folder) = (Fake::start().await, Folder::new());
    let app = TestApp::with(&[
        ("IMAGE_DIR", folder.path()),
        ("IMAGE_COLLECT_INTERVAL", "24h"),
        ("IMAGE_PROVIDER_TIMEOUT", "400ms"),
        ("CLOUDINARY_CLOUD_NAME", CLOUD),
        ("CLOUDINARY_API_KEY", KEY),
        ("CLOUDINARY_API_SECRET", SECRET),
        ("CLOUDINARY_BASE_URL", &fake.base),
    ])
    .await;
    let luigi = app.restaurant("Luigi").opens().await;
    let path = image_path_of(&luigi);
    let item = sends(&luigi.owner, &path, files::with_exif(files::jpeg(64, 48), 1)).await.expect(200);
    assert!(
        item["image"]["card"]
            .as_str()
            .unwrap()
            .starts_with("https://res.cloudinary.com/demo-cloud/image/upload/c_fill")
    );
    let (name, kept) = fake.images().pop_first().unwrap();
    assert!(name.starts_with(&format!("{}/img_", luigi.id)));
    assert!(!kept.windows(4).any(|window| window == b"Exif"), "what is kept says where it was taken");
    assert_eq!(folder.files(), 0);

    // Unreachable: the old image stays, the response says to retry, and the response contains no secret.
    fake.fails(vec![Fault::Answer(503, String::new()); 3]);
    let refusal = sends(&luigi.owner, &path, files::jpeg(64, 48)).await;
    refusal.refused(503, "images_unavailable");
    assert_eq!(refusal.header("retry-after"), "30");
    assert!(!refusal.text().contains(SECRET));
    let menu = app.stranger().get(&luigi.path("/menu")).await.expect(200);
    assert_eq!(menu["categories"][0]["items"][0]["image"], item["image"]);

    // The image that was never stored, then the one that is not used any more; a failed deletion is tried again.
    let app_state = &app.running().app;
    assert_eq!(delete_unused(app_state).await.unwrap(), 0);
    app.advance_clock(TimeDelta::hours(2));
    assert_eq!(delete_unused(app_state).await.unwrap(), 1);
    luigi.owner.delete(&path).await.expect(200);
    assert_eq!(delete_unused(app_state).await.unwrap(), 0);
    app.advance_clock(TimeDelta::hours(2));
    fake.fails(vec![Fault::Answer(500, String::new()); 3]);
    assert_eq!((delete_unused(app_state).await.unwrap(), fake.images().len()), (0, 1));
    app.advance_clock(TimeDelta::hours(2));
    assert_eq!((delete_unused(app_state).await.unwrap(), fake.images().len()), (1, 0));
    assert_eq!(app.count("select count(*) from images").await, 0);
    fake.agrees();
}
