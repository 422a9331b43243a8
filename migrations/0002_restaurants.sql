-- Restaurants: the tenants, who works for them, and when they are open.

create table restaurants (
    id              uuid        primary key,
    slug            text        not null,
    name            text        not null,
    description     text,
    cuisines        text[]      not null default '{}',
    address         text        not null,
    latitude        double precision not null,
    longitude       double precision not null,
    -- IANA zone: opening hours and the day of an order's number are local.
    timezone        text        not null,
    -- ISO 4217; one currency a restaurant, fixed once chosen.
    currency        char(3)     not null,
    -- Tax included in no price: added on the lines, in hundredths of a percent.
    tax_basis_points integer    not null default 0,
    -- Added to every delivery, in minor units.
    delivery_fee    bigint      not null default 0,
    minimum_order   bigint      not null default 0,
    -- New orders are confirmed without a hand being lifted.
    auto_accept     boolean     not null default false,
    -- How long an order takes from confirmation to ready, in minutes: the promise made at confirmation.
    preparation_minutes smallint not null default 20,
    -- False: takes no orders for the moment.
    accepting       boolean     not null default true,
    -- Grows with every change of the menu; an order is placed only at the version it was priced with.
    menu_version    bigint      not null default 1,
    version         bigint      not null default 1,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    constraint restaurants_slug_form check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and char_length(slug) <= 80),
    constraint restaurants_name_length check (char_length(name) between 1 and 120),
    constraint restaurants_place check (latitude between -90 and 90 and longitude between -180 and 180),
    constraint restaurants_currency_form check (currency ~ '^[A-Z]{3}$'),
    constraint restaurants_tax_range check (tax_basis_points between 0 and 10000),
    constraint restaurants_fees_not_negative check (delivery_fee >= 0 and minimum_order >= 0),
    constraint restaurants_preparation_range check (preparation_minutes between 1 and 480)
);
comment on table restaurants is 'The tenant: every row that belongs to a restaurant names it first in its keys.';
create unique index restaurants_slug_key on restaurants (slug);
create index restaurants_created_at_idx on restaurants (created_at, id);

create type member_role as enum ('OWNER', 'MANAGER', 'STAFF');
comment on type member_role is 'Rank inside one restaurant.';

create table memberships (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    user_id         uuid        not null references users on delete cascade,
    role            member_role not null,
    created_at      timestamptz not null,

    -- One rank a person and restaurant.
    constraint memberships_pkey primary key (restaurant_id, user_id)
);
comment on table memberships is 'Who works where, and as what. Staff permission is this row and nothing else.';
create index memberships_user_id_idx on memberships (user_id);

create table opening_hours (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    -- ISO day on which the span begins: 1 Monday … 7 Sunday.
    weekday         smallint    not null,
    -- Minutes after local midnight; half-open. Past 1440 the span runs into the next day.
    opens           smallint    not null,
    closes          smallint    not null,

    constraint opening_hours_pkey primary key (restaurant_id, weekday, opens),
    constraint opening_hours_weekday check (weekday between 1 and 7),
    constraint opening_hours_span check (opens between 0 and 1439 and closes > opens and closes <= opens + 1440)
);
comment on table opening_hours is 'Weekly spans in local time. A restaurant without any span is always open.';

alter table restaurants enable row level security;
alter table restaurants force row level security;
create policy read on restaurants for select using (true);
create policy create_by_platform on restaurants for insert with check (app_platform());
create policy change on restaurants for update
    using (id = app_tenant() or app_platform()) with check (id = app_tenant() or app_platform());
create policy remove_by_platform on restaurants for delete using (app_platform());

alter table memberships enable row level security;
alter table memberships force row level security;
create policy read on memberships for select
    using (restaurant_id = app_tenant() or user_id = app_user() or app_platform());
create policy add on memberships for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on memberships for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on memberships for delete using (restaurant_id = app_tenant() or app_platform());

alter table opening_hours enable row level security;
alter table opening_hours force row level security;
create policy read on opening_hours for select using (true);
create policy add on opening_hours for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on opening_hours for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on opening_hours for delete using (restaurant_id = app_tenant() or app_platform());
