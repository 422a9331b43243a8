//! Variables of providers and of images.

use super::{Variable, optional, plain, secret};

const PROVIDERS: &str = "Providers: all of a provider's variables, or none for the local stand-in";

pub(super) const TABLE: &[Variable] = &[
    optional(PROVIDERS, "CLOUDINARY_CLOUD_NAME", "my-cloud", "Cloudinary's cloud name."),
    optional(PROVIDERS, "CLOUDINARY_API_KEY", "123456789012345", "Cloudinary's API key."),
    secret(PROVIDERS, "CLOUDINARY_API_SECRET", "", "Cloudinary's API secret."),
    plain(
        PROVIDERS,
        "CLOUDINARY_BASE_URL",
        "https://api.cloudinary.com",
        "Where Cloudinary takes pictures; https, or http on this machine.",
    ),
    plain(PROVIDERS, "CLOUDINARY_SIGNATURE", "sha1", "The hash that Cloudinary's account signs with: sha1 or sha256."),
    plain(PROVIDERS, "CLOUDINARY_DELIVERY_URL", "https://res.cloudinary.com", "Where Cloudinary shows pictures."),
    optional(
        PROVIDERS,
        "IMAGE_DIR",
        "./data/images",
        "Folder of the pictures without Cloudinary. Not set: images in DATA_DIR.",
    ),
    plain(PROVIDERS, "IMAGE_MAX_BYTES", "10485760", "Largest picture that may be sent, in bytes (1024 to 33554432)."),
    plain(
        PROVIDERS,
        "IMAGE_MAX_PIXELS",
        "40000000",
        "Most pixels of a picture that is sent, four bytes of memory each (1024 to 100000000).",
    ),
    plain(
        PROVIDERS,
        "IMAGE_DECODES_AT_ONCE",
        "2",
        "Pictures decoded at once, outside the threads that answer (1 to 64).",
    ),
    plain(
        PROVIDERS,
        "IMAGE_DECODE_QUEUE",
        "8",
        "Pictures that wait to be decoded; more are answered with 503 (0 to 1024).",
    ),
    plain(
        PROVIDERS,
        "IMAGE_PROVIDER_TIMEOUT",
        "8s",
        "How long one call to Cloudinary may take; it is tried three times.",
    ),
    plain(
        PROVIDERS,
        "IMAGE_MAX_STORED",
        "2500",
        "Most stored pictures of one restaurant, those that nothing shows any more included (1 to 1000000).",
    ),
    plain(PROVIDERS, "IMAGE_KEEP_IDLE", "1h", "How long a picture that nothing shows any more is kept."),
    plain(PROVIDERS, "IMAGE_COLLECT_INTERVAL", "5m", "How often pictures that nothing shows are looked for."),
];
