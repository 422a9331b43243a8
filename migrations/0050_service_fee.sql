-- The service fee: what a restaurant takes for its service, whatever the fulfilment.

alter table restaurants
    -- A share of the lines before any discount, in millionths, at most the cap; null: without a cap.
    add column service_fee_rate integer not null default 0,
    add column service_fee_cap bigint,
    -- Once an order, besides the share; minor units.
    add column service_fee_fixed bigint not null default 0,
    add constraint restaurants_service_fee_range check (service_fee_rate between 0 and 1000000),
    add constraint restaurants_service_fee_not_negative check (service_fee_cap >= 0 and service_fee_fixed >= 0),
    -- What has no share has nothing to cap.
    add constraint restaurants_service_fee_cap_of_share check (service_fee_cap is null or service_fee_rate > 0);
