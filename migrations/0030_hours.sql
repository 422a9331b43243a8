-- Opening hours: for which fulfilments, exceptions on dates, and pauses that end.

-- A span may hold for some fulfilments only. Two spans of one fulfilment never overlap; the application sees to it.
alter table opening_hours
    add column delivery boolean not null default true,
    add column pickup   boolean not null default true,
    add column dine_in  boolean not null default true,
    add constraint opening_hours_for_something check (delivery or pickup or dine_in),
    drop constraint opening_hours_pkey,
    add constraint opening_hours_pkey primary key (restaurant_id, weekday, opens, delivery, pickup, dine_in);

create table exceptional_days (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    -- The local date.
    day             date        not null,
    -- Why, for the guests.
    note            text,

    constraint exceptional_days_pkey primary key (restaurant_id, day),
    constraint exceptional_days_note_length check (char_length(note) between 1 and 200)
);
comment on table exceptional_days is 'Dates on which the weekly hours do not hold. Without a row in exceptional_hours the restaurant opens at no time of that day.';

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
comment on table exceptional_hours is 'When a restaurant opens on a date whose weekly hours do not hold.';

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

alter table restaurants
    -- No orders until then. A pause that has no end cannot be written.
    add column paused_until timestamptz,
    add column pause_reason text,
    add constraint restaurants_pause_whole check ((paused_until is null) = (pause_reason is null)),
    add constraint restaurants_pause_reason_length check (char_length(pause_reason) between 1 and 200);

grant select, insert, update, delete on exceptional_days, exceptional_hours to comanda_app;
