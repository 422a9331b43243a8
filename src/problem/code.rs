//! The codes of problems: one table of code, status and title. The body of an error response is in `problem.rs`; the
//! detail is written where the rule refuses. How to add one: CONTRIBUTING.md, "Add an error code".

use axum::http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $status:ident, $code:literal, $title:literal;)*) => {
        /// Every code of a problem. Clients depend on codes: they are added, never renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* #[doc = $title] $variant,)*
        }

        impl Code {
            /// All codes, for the API reference and its test.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code as it is sent.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status of the code.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// The title of the code.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    MalformedRequest = BAD_REQUEST, "malformed_request", "Malformed request";
    IdempotencyKeyMissing = BAD_REQUEST, "idempotency_key_missing", "Idempotency-Key required";
    Unauthenticated = UNAUTHORIZED, "unauthenticated", "Authentication required";
    AccountRequired = UNAUTHORIZED, "account_required", "Account required";
    InvalidCredentials = UNAUTHORIZED, "invalid_credentials", "Invalid e-mail or password";
    SessionEnded = UNAUTHORIZED, "session_ended", "Session ended";
    ReauthRequired = FORBIDDEN, "reauth_required", "Current password required";
    InvalidCode = UNAUTHORIZED, "invalid_code", "Invalid or expired code";
    SecondFactorRequired = FORBIDDEN, "second_factor_required", "Second factor required";
    Forbidden = FORBIDDEN, "forbidden", "Permission denied";
    NotFound = NOT_FOUND, "not_found", "Resource not found";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed";
    RequestTimeout = REQUEST_TIMEOUT, "request_timeout", "Request timeout";
    IllegalTransition = CONFLICT, "illegal_transition", "Status transition not allowed";
    CartClosed = CONFLICT, "cart_closed", "Cart already ordered";
    CartEmpty = CONFLICT, "cart_empty", "Cart is empty";
    CartChanged = CONFLICT, "cart_changed", "Cart or menu changed";
    ItemUnavailable = CONFLICT, "item_unavailable", "Item unavailable";
    OutOfStock = CONFLICT, "out_of_stock", "Out of stock";
    PriceChanged = CONFLICT, "price_changed", "Price changed";
    QuoteExpired = CONFLICT, "quote_expired", "Quote expired";
    QuoteChanged = CONFLICT, "quote_changed", "Quote does not match the request";
    QuoteUsed = CONFLICT, "quote_used", "Quote already used";
    CouponUnknown = CONFLICT, "coupon_unknown", "Coupon not found";
    CouponNotYet = CONFLICT, "coupon_not_yet", "Coupon not valid yet";
    CouponExpired = CONFLICT, "coupon_expired", "Coupon expired";
    CouponUsedUp = CONFLICT, "coupon_used_up", "Coupon usage limit reached";
    CouponAlreadyUsed = CONFLICT, "coupon_already_used", "Coupon usage limit per customer reached";
    CouponUnverified = CONFLICT, "coupon_unverified", "Coupon only for verified customers";
    CouponMinimum = CONFLICT, "coupon_minimum", "Coupon minimum not reached";
    CouponNotApplicable = CONFLICT, "coupon_not_applicable", "Coupon not applicable";
    SlotFull = CONFLICT, "slot_full", "Time slot full";
    SlotUnavailable = CONFLICT, "slot_unavailable", "Time slot not available";
    RestaurantClosed = CONFLICT, "restaurant_closed", "Restaurant closed";
    RestaurantPaused = CONFLICT, "restaurant_paused", "Restaurant paused";
    BelowMinimum = CONFLICT, "below_minimum", "Below the minimum order";
    OutsideDeliveryZone = CONFLICT, "outside_delivery_zone", "Outside the delivery zone";
    AlreadyExists = CONFLICT, "already_exists", "Resource already exists";
    NoDriverAvailable = CONFLICT, "no_driver_available", "No driver available";
    DriverBusy = CONFLICT, "driver_busy", "Driver is busy";
    NoLongerAssigned = CONFLICT, "no_longer_assigned", "Delivery no longer assigned";
    DependencyRejected = CONFLICT, "dependency_rejected", "Earlier operation was rejected";
    OperationsUnfinished = CONFLICT, "operations_unfinished", "Unfinished operations";
    IdempotencyInProgress = CONFLICT, "idempotency_in_progress", "Request still in progress";
    VersionConflict = PRECONDITION_FAILED, "version_conflict", "Version conflict";
    OwnAccount = CONFLICT, "own_account", "You cannot change your own account this way";
    LastOwner = CONFLICT, "last_owner", "Last owner of the restaurant";
    NoPhone = CONFLICT, "no_phone", "No phone number";
    TooMany = CONFLICT, "too_many", "Limit reached";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "Request body too large";
    UriTooLong = URI_TOO_LONG, "uri_too_long", "URI too long";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported content type";
    UnsupportedImage = UNSUPPORTED_MEDIA_TYPE, "unsupported_image", "Unsupported image format";
    UnacceptableImage = UNPROCESSABLE_ENTITY, "unacceptable_image", "Image not acceptable";
    InvalidRequest = UNPROCESSABLE_ENTITY, "invalid_request", "Invalid request";
    ClockSkew = UNPROCESSABLE_ENTITY, "clock_skew", "Clock of the device is ahead";
    IdempotencyKeyReused = UNPROCESSABLE_ENTITY, "idempotency_key_reused", "Idempotency-Key reused";
    OrderLimitReached = TOO_MANY_REQUESTS, "order_limit_reached", "Order limit reached";
    PortionLimitReached = TOO_MANY_REQUESTS, "portion_limit_reached", "Limit of unanswered portions reached";
    TooManyRequests = TOO_MANY_REQUESTS, "too_many_requests", "Too many requests";
    Internal = INTERNAL_SERVER_ERROR, "internal", "Internal server error";
    Busy = SERVICE_UNAVAILABLE, "busy", "Server busy";
    ImagesUnavailable = SERVICE_UNAVAILABLE, "images_unavailable", "Image storage unavailable";
    OutcomeUnknown = SERVICE_UNAVAILABLE, "outcome_unknown", "Outcome of the request unknown";
}
