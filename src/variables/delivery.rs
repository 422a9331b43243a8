//! Variables of drivers and deliveries.

use super::{Variable, plain};

const DELIVERY: &str = "Delivery";

pub(super) const TABLE: &[Variable] = &[
    plain(
        DELIVERY,
        "DRIVER_SEARCH_RADIUS",
        "50000",
        "Radius around the restaurant within which the nearest available driver is searched, in metres (100 to \
         500000).",
    ),
    plain(
        DELIVERY,
        "DELIVERY_MAX_DISTANCE",
        "30000",
        "Maximum straight-line distance of deliveries of a restaurant without delivery zones, in metres (100 to \
         500000).",
    ),
    plain(
        DELIVERY,
        "DRIVER_PRESENCE",
        "3m",
        "A driver on duty without activity (a location report, PUT availability, a step of a delivery) for this time \
         gets no deliveries (30s to 24h).",
    ),
    plain(
        DELIVERY,
        "DRIVER_OFF_DUTY_AFTER",
        "15m",
        "A driver on duty without activity for this time is set off duty; deliveries not picked up are waiting again \
         (1m to 24h, at least DRIVER_PRESENCE).",
    ),
    plain(
        DELIVERY,
        "DRIVER_CHECK_INTERVAL",
        "5s",
        "How often each node checks for absent drivers (10ms to 1m); disabled drivers are checked at once, too.",
    ),
    plain(
        DELIVERY,
        "DRIVER_MAX_SPEED",
        "250",
        "Maximum speed of a driver, in kilometres an hour (10 to 100000): a location report that is more than a \
         kilometre farther from the last one is refused.",
    ),
];
