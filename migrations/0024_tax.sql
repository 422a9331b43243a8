-- Tax classes: rates of items that are not taxed at the restaurant's standard rate.

create table tax_classes (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    -- The name that items and modifiers refer to. 'standard' applies to those without one, 'fees' to the fees.
    name            text        not null,
    -- Rates in millionths, by fulfilment.
    delivery        integer     not null,
    pickup          integer     not null,
    dine_in         integer     not null,

    constraint tax_classes_pkey primary key (restaurant_id, name),
    constraint tax_classes_name_form check (name ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and char_length(name) <= 40),
    constraint tax_classes_range check (delivery between 0 and 1000000 and pickup between 0 and 1000000
        and dine_in between 0 and 1000000)
);
comment on table tax_classes is
    'Rates of items that are taxed differently from the rest of a restaurant''s menu, for example drinks.';

alter table tax_classes enable row level security;
alter table tax_classes force row level security;
create policy read on tax_classes for select using (true);
create policy add on tax_classes for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on tax_classes for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on tax_classes for delete using (restaurant_id = app_tenant() or app_platform());

grant select, insert, update, delete on tax_classes to comanda_app;
