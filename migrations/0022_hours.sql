-- Opening hours, exceptions on dates, and the slots of orders for later.

create table opening_hours (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    -- ISO day on which the span begins: 1 Monday … 7 Sunday.
    weekday         smallint    not null,
    -- Minutes after local midnight; half-open. Past 1440 the span runs into the next day.
    opens           smallint    not null,
    closes          smallint    not null,
    -- The fulfilments it is for. Two spans of one fulfilment never overlap, which the application checks.
    delivery        boolean     not null default true,
    pickup          boolean     not null default true,
    dine_in         boolean     not null default true,

    constraint opening_hours_pkey primary key (restaurant_id, weekday, opens, delivery, pickup, dine_in),
    constraint opening_hours_weekday check (weekday between 1 and 7),
    constraint opening_hours_span check (opens between 0 and 1439 and closes > opens and closes <= opens + 1440),
    constraint opening_hours_for_something check (delivery or pickup or dine_in)
);
comment on table opening_hours is
    'Weekly spans in local time. A restaurant without any is closed, unless restaurants.always_open is set.';

create table exceptional_days (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    -- The local date.
    day             date        not null,
    -- The reason, as customers read it; null: none given.
    note            text,

    constraint exceptional_days_pkey primary key (restaurant_id, day),
    constraint exceptional_days_note_length check (char_length(note) between 1 and 200)
);
comment on table exceptional_days is
    'Dates on which the weekly hours do not apply. Without a row in exceptional_hours the restaurant is closed that '
    'day.';

create table exceptional_hours (
    restaurant_id   uuid        not null,
    day             date        not null,
    -- Minutes after local midnight; half-open. Past 1440 the span runs into the next day.
    opens           smallint    not null,
    closes          smallint    not null,
    delivery        boolean     not null,
    pickup          boolean     not null,
    dine_in         boolean     not null,

    constraint exceptional_hours_pkey primary key (restaurant_id, day, opens, delivery, pickup, dine_in),
    constraint exceptional_hours_day_fkey foreign key (restaurant_id, day)
        references exceptional_days (restaurant_id, day) on delete cascade,
    constraint exceptional_hours_span check (opens between 0 and 1439 and closes > opens and closes <= opens + 1440),
    constraint exceptional_hours_for_something check (delivery or pickup or dine_in)
);
comment on table exceptional_hours is 'When a restaurant is open on a date on which its weekly hours do not apply.';

create table slots (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    starts_at       timestamptz not null,
    ends_at         timestamptz not null,
    -- The number of orders that are due in the slot and were not cancelled.
    taken           integer     not null,

    constraint slots_pkey primary key (restaurant_id, starts_at),
    constraint slots_length check (ends_at > starts_at and ends_at <= starts_at + interval '240 minutes'),
    constraint slots_not_negative check (taken >= 0)
) with (fillfactor = 50);
comment on table slots is
    'How many orders use each slot of a restaurant with a capacity. A restaurant without a capacity has no rows here, '
    'so that its orders do not lock each other out.';
comment on column slots.ends_at is
    'The end of the slot. It is stored, so that after a change of the length of slots the earlier ones still count '
    'where they overlap. Of slots of several lengths that begin together, it is the end of the longest that was used.';
comment on constraint slots_length on slots is
    'As restaurants_slot_minutes_range: a slot that overlaps with another begins at most so long before it.';

alter table opening_hours enable row level security;
alter table opening_hours force row level security;
create policy read on opening_hours for select using (true);
create policy add on opening_hours for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on opening_hours for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on opening_hours for delete using (restaurant_id = app_tenant() or app_platform());

alter table exceptional_days enable row level security;
alter table exceptional_days force row level security;
create policy read on exceptional_days for select using (true);
create policy add on exceptional_days for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on exceptional_days for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on exceptional_days for delete using (restaurant_id = app_tenant() or app_platform());

alter table exceptional_hours enable row level security;
alter table exceptional_hours force row level security;
create policy read on exceptional_hours for select using (true);
create policy add on exceptional_hours for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on exceptional_hours for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on exceptional_hours for delete using (restaurant_id = app_tenant() or app_platform());

-- app_shop(): a customer's order takes a slot, and the customer's cancellation frees it.
alter table slots enable row level security;
alter table slots force row level security;
create policy shop on slots
    using (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform())
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());

grant select, insert, update, delete on opening_hours, exceptional_days, exceptional_hours to comanda_app;
grant select, insert, update on slots to comanda_app;
