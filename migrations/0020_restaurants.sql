-- Restaurants: the tenants. Hours, zones, tax and images are in the files that follow.

create type rounding_mode as enum ('HALF_UP', 'HALF_EVEN');
comment on type rounding_mode is 'To which of two whole minor units an amount exactly between them is rounded.';

create type tax_rounding_level as enum ('LINE', 'ORDER');
comment on type tax_rounding_level is
    'LINE: tax is rounded once for each rate on each line and fee; ORDER: once for each rate on the sum of all lines '
    'and fees.';

create table restaurants (
    id              uuid        primary key,
    slug            text        not null,
    name            text        not null,
    description     text,
    cuisines        text[]      not null default '{}',
    search_words    text[]      not null default '{}',
    address         text        not null,
    latitude        double precision not null,
    longitude       double precision not null,
    -- {"phone": "+39…", "email": "…", "website": "https://…"}, each of them or none; checked before it is written.
    contact         json        not null default '{}',
    -- Null: none. The foreign key is in the file of images, because that table refers to restaurants.
    image_id        uuid,
    -- IANA zone: opening hours and the day of an order's number are local.
    timezone        text        not null,
    -- ISO 4217; one currency a restaurant, never changed.
    currency        char(3)     not null,

    -- Prices and fees contain the tax already.
    prices_include_tax boolean  not null default false,
    -- The tax rate of items without a tax class, in millionths.
    tax_rate        integer     not null default 0,
    tax_rounding    rounding_mode not null default 'HALF_UP',
    tax_rounding_level tax_rounding_level not null default 'LINE',

    -- Fees in minor units. For deliveries to addresses that are in no zone:
    delivery_fee    bigint      not null default 0,
    minimum_order   bigint      not null default 0,
    -- The service fee of every order: a share of the lines before any discount, in millionths, up to the cap (null: no
    -- cap), and a fixed amount for each order.
    service_fee_rate integer    not null default 0,
    service_fee_cap bigint,
    service_fee_fixed bigint    not null default 0,

    -- New orders are confirmed at once.
    auto_accept     boolean     not null default false,
    -- Minutes within which an order must be accepted; null: as configured (ORDER_ACCEPT_WITHIN).
    accept_minutes  smallint,
    -- Minutes from confirmation to ready.
    preparation_minutes smallint not null default 20,
    -- False: takes no orders.
    accepting       boolean     not null default true,
    -- No orders until then; null: not paused. A pause without end cannot be stored.
    paused_until    timestamptz,
    pause_reason    text,
    -- True: open around the clock except on exceptional days, and without weekly hours. False without weekly hours:
    -- closed.
    always_open     boolean     not null default false,
    -- For each fulfilment (delivery, pickup, dineIn): cutOffMinutes before closing at which the last order is taken
    -- (absent: the preparation time), and handOverMinutes after closing until which food is handed over (absent: 0).
    last_orders     json        not null default '{}',

    -- Length of a slot; slots begin at the local midnight, and a day holds a whole number of them.
    slot_minutes    smallint    not null default 15,
    -- Orders that may be due in one slot; null: any number.
    slot_capacity   integer,
    -- How many days ahead an order may be placed; 0: for now only.
    schedule_days   smallint    not null default 7,

    -- Staff must have a second factor before they may act for the restaurant.
    require_second_factor boolean not null default false,
    version         bigint      not null default 1,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    constraint restaurants_slug_form check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and char_length(slug) <= 80),
    constraint restaurants_name_length check (char_length(name) between 1 and 120),
    constraint restaurants_place check (latitude between -90 and 90 and longitude between -180 and 180),
    constraint restaurants_contact check (json_typeof(contact) = 'object'),
    constraint restaurants_currency_form check (currency ~ '^[A-Z]{3}$'),
    constraint restaurants_tax_range check (tax_rate between 0 and 1000000),
    constraint restaurants_fees_not_negative check (delivery_fee >= 0 and minimum_order >= 0),
    constraint restaurants_service_fee_range check (service_fee_rate between 0 and 1000000),
    constraint restaurants_service_fee_not_negative check (service_fee_cap >= 0 and service_fee_fixed >= 0),
    constraint restaurants_service_fee_cap_of_share check (service_fee_cap is null or service_fee_rate > 0),
    constraint restaurants_accept_range check (accept_minutes between 1 and 120),
    constraint restaurants_preparation_range check (preparation_minutes between 1 and 480),
    constraint restaurants_pause_whole check ((paused_until is null) = (pause_reason is null)),
    constraint restaurants_pause_reason_length check (char_length(pause_reason) between 1 and 200),
    constraint restaurants_slot_minutes_range check (slot_minutes between 5 and 240 and 1440 % slot_minutes = 0),
    constraint restaurants_slot_capacity_range check (slot_capacity between 1 and 10000),
    constraint restaurants_schedule_days_range check (schedule_days between 0 and 30)
);
comment on table restaurants is
    'The tenants. restaurant_id is the first column in the keys of every table that belongs to restaurants.';
comment on column restaurants.search_words is
    'The words of its name and cuisines in lower case without accents; of scripts without spaces every suffix of a '
    'word. Computed by src/fold.rs, as the words of a search are: the database only compares.';
create unique index restaurants_slug_key on restaurants (slug);
create index restaurants_created_at_idx on restaurants (created_at, id);
create index restaurants_place_idx on restaurants using gist (point(longitude, latitude));
create index restaurants_words_idx on restaurants using gin (array_to_tsvector(search_words));

alter table restaurants enable row level security;
alter table restaurants force row level security;
create policy read on restaurants for select using (true);
create policy create_by_platform on restaurants for insert with check (app_platform());
create policy change on restaurants for update
    using (id = app_tenant() or app_platform()) with check (id = app_tenant() or app_platform());
create policy remove_by_platform on restaurants for delete using (app_platform());

grant select, insert, update, delete on restaurants to comanda_app;
