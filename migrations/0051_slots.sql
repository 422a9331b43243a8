-- Slots: orders for later, and how many orders a kitchen takes for the same time.

alter table restaurants
    -- How long a slot lasts; slots begin at the local midnight.
    add column slot_minutes smallint not null default 15,
    -- Orders that may be due in one slot; null: any number.
    add column slot_capacity integer,
    -- How far ahead an order may be placed; 0: for now only.
    add column schedule_days smallint not null default 7,
    -- A day holds a whole number of slots.
    add constraint restaurants_slot_minutes_range check (slot_minutes between 5 and 240 and 1440 % slot_minutes = 0),
    add constraint restaurants_slot_capacity_range check (slot_capacity between 1 and 10000),
    add constraint restaurants_schedule_days_range check (schedule_days between 0 and 30);

alter table orders
    -- For when it was ordered: the slot it is to be had in. Null: as soon as can be.
    add column scheduled_from timestamptz,
    add column scheduled_until timestamptz,
    -- The slot whose capacity it takes until it is cancelled; null: the restaurant counted none when it was placed.
    add column slot timestamptz,
    add constraint orders_schedule_whole
        check ((scheduled_from is null) = (scheduled_until is null) and scheduled_until > scheduled_from),
    -- What is due in a counted slot takes that slot.
    add constraint orders_slot_of_schedule check (slot is null or scheduled_from is null or slot = scheduled_from);

create table slots (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    starts_at       timestamptz not null,
    -- Orders that are due in it and have not been cancelled.
    taken           integer     not null,

    constraint slots_pkey primary key (restaurant_id, starts_at),
    constraint slots_not_negative check (taken >= 0)
) with (fillfactor = 50);
comment on table slots is 'How many orders take each slot of a restaurant that bounds them. A restaurant without a capacity has no row here, and its orders wait for none.';

alter table slots enable row level security;
alter table slots force row level security;
create policy shop on slots
    using (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform())
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());
grant select, insert, update on slots to comanda_app;
