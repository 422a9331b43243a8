-- Delivery zones: where a restaurant delivers, and for which fee.

create table delivery_zones (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    -- Zones are tried in this order; the first that contains the address applies.
    position        smallint    not null,
    name            text        not null,
    -- {"rings": [[[lng, lat], …], …]} or {"centre": [lng, lat], "radius": metres}; checked before it is written.
    shape           json        not null,
    -- Bounding box in degrees: only zones whose box contains the address are examined.
    west            double precision not null,
    south           double precision not null,
    east            double precision not null,
    north           double precision not null,
    -- Minor units. The fee is the base plus an amount for each kilometre; orders of at least free_above are delivered
    -- without a fee (null: none are).
    fee_base        bigint      not null,
    fee_per_kilometre bigint    not null,
    free_above      bigint,
    -- Null: the restaurant's.
    minimum_order   bigint,
    -- Minutes from ready to the address.
    lead_minutes    smallint    not null,

    constraint delivery_zones_pkey primary key (restaurant_id, position),
    constraint delivery_zones_name_length check (char_length(name) between 1 and 80),
    constraint delivery_zones_box check (west <= east and south <= north),
    constraint delivery_zones_amounts_not_negative
        check (fee_base >= 0 and fee_per_kilometre >= 0 and free_above >= 0 and minimum_order >= 0),
    constraint delivery_zones_lead_range check (lead_minutes between 0 and 480)
);
comment on table delivery_zones is
    'Where a restaurant delivers. One without zones delivers within the configured radius, for its delivery_fee.';

alter table delivery_zones enable row level security;
alter table delivery_zones force row level security;
create policy read on delivery_zones for select using (true);
create policy add on delivery_zones for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on delivery_zones for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on delivery_zones for delete using (restaurant_id = app_tenant() or app_platform());

grant select, insert, update, delete on delivery_zones to comanda_app;
