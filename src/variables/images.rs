//! Variables of images and of Cloudinary, which may store them.

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
        "URL of Cloudinary's upload API; https, or http on this machine.",
    ),
    plain(
        PROVIDERS,
        "CLOUDINARY_SIGNATURE",
        "sha1",
        "The signature algorithm of the Cloudinary account: sha1 or sha256.",
    ),
    plain(PROVIDERS, "CLOUDINARY_DELIVERY_URL", "https://res.cloudinary.com", "URL of Cloudinary's delivery."),
    optional(
        PROVIDERS,
        "IMAGE_DIR",
        "./data/images",
        "Folder of images without Cloudinary. Not set: images in DATA_DIR.",
    ),
    plain(PROVIDERS, "IMAGE_MAX_BYTES", "10485760", "Maximum size of an uploaded image, in bytes (1024 to 33554432)."),
    plain(
        PROVIDERS,
        "IMAGE_MAX_PIXELS",
        "40000000",
        "Maximum number of pixels of an uploaded image, four bytes of memory each (1024 to 100000000).",
    ),
    plain(
        PROVIDERS,
        "IMAGE_DECODES_AT_ONCE",
        "2",
        "Maximum number of images decoded at once, on separate threads (1 to 64).",
    ),
    plain(
        PROVIDERS,
        "IMAGE_DECODE_QUEUE",
        "8",
        "Maximum number of images that wait to be decoded (0 to 1024); further ones get 503.",
    ),
    plain(
        PROVIDERS,
        "IMAGE_PROVIDER_TIMEOUT",
        "8s",
        "How long a request to Cloudinary may take; there are three attempts.",
    ),
    plain(
        PROVIDERS,
        "IMAGE_MAX_STORED",
        "2500",
        "Most stored images of one restaurant, including images that are not shown any more (1 to 1000000).",
    ),
    plain(PROVIDERS, "IMAGE_KEEP_IDLE", "1h", "How long an image is kept after it is no longer in use."),
    plain(PROVIDERS, "IMAGE_COLLECT_INTERVAL", "5m", "How often unused images are deleted."),
];
