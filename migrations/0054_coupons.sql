-- Coupons: discounts for customers who enter a code.

create type coupon_kind as enum ('PERCENT', 'AMOUNT', 'FREE_DELIVERY');
comment on type coupon_kind is 'PERCENT: a share of the lines; AMOUNT: an amount off the lines; FREE_DELIVERY: the delivery fee.';

create table coupons (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    -- In capitals; compared without regard to case.
    code            text        not null,
    kind            coupon_kind not null,
    -- PERCENT: the share of the lines in millionths, and its maximum in minor units (null: none).
    rate            integer,
    cap             bigint,
    -- AMOUNT: minor units.
    amount          bigint,
    -- The smallest total of the lines, before any discount; minor units.
    minimum_items   bigint      not null default 0,
    -- Null: no bound.
    valid_from      timestamptz,
    valid_until     timestamptz,
    -- How many orders may use it, in all and of one customer; null: any number.
    limit_total     integer,
    limit_per_user  integer,
    active          boolean     not null default true,
    -- Orders that use it and were not cancelled.
    redeemed        integer     not null default 0,
    version         bigint      not null default 1,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    deleted_at      timestamptz,

    constraint coupons_pkey primary key (restaurant_id, id),
    -- An id is unique across restaurants.
    constraint coupons_id_key unique (id),
    constraint coupons_code_form check (code ~ '^[A-Z0-9]+([_-][A-Z0-9]+)*$' and char_length(code) between 3 and 40),
    -- Each kind has its own columns set, and no others.
    constraint coupons_kind_whole check (
        (kind = 'PERCENT') = (rate is not null) and (kind = 'AMOUNT') = (amount is not null)
        and (cap is null or kind = 'PERCENT')),
    constraint coupons_rate_range check (rate between 1 and 1000000),
    constraint coupons_amounts_positive check (amount > 0 and cap > 0 and minimum_items >= 0),
    constraint coupons_life check (valid_until > valid_from),
    constraint coupons_limits_positive check (limit_total > 0 and limit_per_user > 0),
    -- A coupon is never used more often than its limit.
    constraint coupons_not_oversold check (redeemed >= 0 and redeemed <= coalesce(limit_total, redeemed)),
    constraint coupons_version_positive check (version >= 1)
) with (fillfactor = 70);
comment on table coupons is 'Codes for a discount: its amount, how often and until when it may be used.';
-- Among the coupons that are not deleted, a code is unique.
create unique index coupons_code_key on coupons (restaurant_id, code) where deleted_at is null;

create table coupon_redemptions (
    restaurant_id   uuid        not null,
    order_id        uuid        not null,
    coupon_id       uuid        not null,
    user_id         uuid        not null references users,
    -- The discount on the lines or on the delivery fee; minor units.
    saved           bigint      not null,
    redeemed_at     timestamptz not null,
    -- When the order was cancelled, and the coupon could be used again; null: not cancelled.
    returned_at     timestamptz,

    -- An order redeems one coupon, once.
    constraint coupon_redemptions_pkey primary key (restaurant_id, order_id),
    constraint coupon_redemptions_order_fkey foreign key (restaurant_id, order_id)
        references orders (restaurant_id, id) on delete cascade,
    constraint coupon_redemptions_coupon_fkey foreign key (restaurant_id, coupon_id)
        references coupons (restaurant_id, id),
    constraint coupon_redemptions_saved_not_negative check (saved >= 0)
);
comment on table coupon_redemptions is 'Which order used which coupon, and whether a cancellation returned it.';
create index coupon_redemptions_user_idx on coupon_redemptions (restaurant_id, coupon_id, user_id)
    where returned_at is null;

alter table coupons enable row level security;
alter table coupons force row level security;
-- app_shop(): customers of the restaurant look up a code, and their orders count it.
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
    with check (
        restaurant_id = app_tenant() or (restaurant_id = app_shop() and user_id = app_user()) or app_platform());
create policy return on coupon_redemptions for update
    using (restaurant_id = app_tenant() or user_id = app_user() or app_platform())
    with check (restaurant_id = app_tenant() or user_id = app_user() or app_platform());

grant select, insert, update on coupons, coupon_redemptions to comanda_app;
