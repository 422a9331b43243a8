-- Coupons: what a restaurant takes off for whoever knows a code.

create type coupon_kind as enum ('PERCENT', 'AMOUNT', 'FREE_DELIVERY');
comment on type coupon_kind is 'PERCENT of the lines, an AMOUNT off the lines, or no delivery fee.';

create table coupons (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    -- As people type it, in capitals.
    code            text        not null,
    kind            coupon_kind not null,
    -- PERCENT: the share of the lines in millionths, and what it is at most in minor units.
    rate            integer,
    cap             bigint,
    -- AMOUNT: minor units.
    amount          bigint,
    -- Lines must come to this at least, before any discount.
    minimum_items   bigint      not null default 0,
    valid_from      timestamptz,
    valid_until     timestamptz,
    -- How many orders may use it, in all and of one customer; null: any number.
    limit_total     integer,
    limit_per_user  integer,
    active          boolean     not null default true,
    -- Orders that use it and have not been cancelled.
    redeemed        integer     not null default 0,
    version         bigint      not null default 1,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    deleted_at      timestamptz,

    constraint coupons_pkey primary key (restaurant_id, id),
    -- An id names one coupon wherever it is met.
    constraint coupons_id_key unique (id),
    constraint coupons_code_form check (code ~ '^[A-Z0-9]+([_-][A-Z0-9]+)*$' and char_length(code) between 3 and 40),
    -- Each kind says how much in its own way, and in no other.
    constraint coupons_kind_whole check (
        (kind = 'PERCENT') = (rate is not null) and (kind = 'AMOUNT') = (amount is not null)
        and (cap is null or kind = 'PERCENT')),
    constraint coupons_rate_range check (rate between 1 and 1000000),
    constraint coupons_amounts_positive check (amount > 0 and cap > 0 and minimum_items >= 0),
    constraint coupons_life check (valid_until > valid_from),
    constraint coupons_limits_positive check (limit_total > 0 and limit_per_user > 0),
    -- Never used more often than it may be.
    constraint coupons_not_oversold check (redeemed >= 0 and redeemed <= coalesce(limit_total, redeemed)),
    constraint coupons_version_positive check (version >= 1)
) with (fillfactor = 70);
comment on table coupons is 'What a restaurant takes off an order for whoever knows the code, how often and how long.';
-- A code means one thing at a time.
create unique index coupons_code_key on coupons (restaurant_id, code) where deleted_at is null;

create table coupon_redemptions (
    restaurant_id   uuid        not null,
    order_id        uuid        not null,
    coupon_id       uuid        not null,
    user_id         uuid        not null references users,
    -- What it took off the lines, or off the delivery fee; minor units.
    saved           bigint      not null,
    redeemed_at     timestamptz not null,
    -- Given back: the order was cancelled.
    returned_at     timestamptz,

    -- An order redeems one coupon, once.
    constraint coupon_redemptions_pkey primary key (restaurant_id, order_id),
    constraint coupon_redemptions_order_fkey foreign key (restaurant_id, order_id)
        references orders (restaurant_id, id) on delete cascade,
    constraint coupon_redemptions_coupon_fkey foreign key (restaurant_id, coupon_id)
        references coupons (restaurant_id, id),
    constraint coupon_redemptions_saved_not_negative check (saved >= 0)
);
comment on table coupon_redemptions is 'Which order used which coupon, and whether it gave it back.';
create index coupon_redemptions_user_idx on coupon_redemptions (restaurant_id, coupon_id, user_id) where returned_at is null;

alter table orders
    -- The code that was used.
    add column coupon_code text;

alter table coupons enable row level security;
alter table coupons force row level security;
-- Whoever orders there may ask about a code, and their order counts it.
create policy read on coupons for select
    using (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());
create policy add on coupons for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on coupons for update
    using (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform())
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());
alter table coupon_redemptions enable row level security;
alter table coupon_redemptions force row level security;
create policy read on coupon_redemptions for select
    using (restaurant_id = app_tenant() or user_id = app_user() or app_platform());
create policy redeem on coupon_redemptions for insert
    with check (restaurant_id = app_tenant() or (restaurant_id = app_shop() and user_id = app_user()) or app_platform());
create policy return on coupon_redemptions for update
    using (restaurant_id = app_tenant() or user_id = app_user() or app_platform())
    with check (restaurant_id = app_tenant() or user_id = app_user() or app_platform());
grant select, insert, update on coupons, coupon_redemptions to comanda_app;
