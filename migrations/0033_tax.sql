-- Tax: rates by class and fulfilment, in prices or on top of them; what each order, and each of its lines, was taxed.

alter table restaurants
    -- Of what has no class, in millionths.
    rename column tax_basis_points to tax_rate;
alter table restaurants
    drop constraint restaurants_tax_range,
    -- Prices and fees hold the tax already.
    add column prices_include_tax boolean not null default false;
alter table restaurants no force row level security;
update restaurants set tax_rate = tax_rate * 100;
alter table restaurants force row level security;
alter table restaurants add constraint restaurants_tax_range check (tax_rate between 0 and 1000000);

create table tax_classes (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    -- As items and modifiers name it. 'standard' is the class of what names none, 'fees' that of the fees.
    name            text        not null,
    -- Rates in millionths.
    delivery        integer     not null,
    pickup          integer     not null,
    dine_in         integer     not null,

    constraint tax_classes_pkey primary key (restaurant_id, name),
    constraint tax_classes_name_form check (name ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and char_length(name) <= 40),
    constraint tax_classes_range check (delivery between 0 and 1000000 and pickup between 0 and 1000000
        and dine_in between 0 and 1000000)
);
comment on table tax_classes is 'Rates of what is not taxed like the rest of a restaurant''s menu: drinks, say, or what is eaten at a table.';

-- Null: as what has no class; on a modifier: as what it is chosen on. What was deleted does not keep a class alive.
alter table menu_items
    add column tax_class text,
    add constraint menu_items_tax_class_fkey foreign key (restaurant_id, tax_class)
        references tax_classes (restaurant_id, name) on delete set null (tax_class);
create index menu_items_tax_class_idx on menu_items (restaurant_id, tax_class) where tax_class is not null;
alter table modifiers
    add column tax_class text,
    add constraint modifiers_tax_class_fkey foreign key (restaurant_id, tax_class)
        references tax_classes (restaurant_id, name) on delete set null (tax_class);
create index modifiers_tax_class_idx on modifiers (restaurant_id, tax_class) where tax_class is not null;

alter table orders
    -- tax_total was added to prices; this they held. One of the two is zero.
    add column tax_included bigint not null default 0,
    -- Both by rate: the rate in millionths, what was taxed without the tax, and the tax.
    add column tax_rates integer[] not null default '{}',
    add column tax_nets bigint[] not null default '{}',
    add column tax_amounts bigint[] not null default '{}';
alter table orders no force row level security;
update orders o set tax_rates = array[r.tax_rate], tax_nets = array[o.items_total], tax_amounts = array[o.tax_total]
    from restaurants r where r.id = o.restaurant_id and o.tax_total > 0;
alter table orders force row level security;
alter table orders
    add constraint orders_tax_one_way check (tax_included >= 0 and (tax_total = 0 or tax_included = 0)),
    add constraint orders_taxes_whole check (cardinality(tax_rates) = cardinality(tax_amounts)
        and cardinality(tax_nets) = cardinality(tax_amounts) and cardinality(tax_amounts) <= 8),
    add constraint orders_taxes_add_up check (tax_total + tax_included
        = coalesce(tax_amounts[1], 0) + coalesce(tax_amounts[2], 0) + coalesce(tax_amounts[3], 0)
        + coalesce(tax_amounts[4], 0) + coalesce(tax_amounts[5], 0) + coalesce(tax_amounts[6], 0)
        + coalesce(tax_amounts[7], 0) + coalesce(tax_amounts[8], 0));

alter table order_items
    -- The line's tax by rate, after its part of any discount.
    add column taxes json not null default '[]';

alter table tax_classes enable row level security;
alter table tax_classes force row level security;
create policy read on tax_classes for select using (true);
create policy add on tax_classes for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on tax_classes for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on tax_classes for delete using (restaurant_id = app_tenant() or app_platform());
grant select, insert, update, delete on tax_classes to comanda_app;
