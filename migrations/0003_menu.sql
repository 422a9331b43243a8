-- Menu: categories and their items.

create table menu_categories (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    name            text        not null,
    position        integer     not null,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    deleted_at      timestamptz,

    constraint menu_categories_pkey primary key (restaurant_id, id),
    -- An id names one category wherever it is met.
    constraint menu_categories_id_key unique (id),
    constraint menu_categories_name_length check (char_length(name) between 1 and 120)
);
comment on table menu_categories is 'The chapters of a menu, in the order the guest reads them.';

create table menu_items (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    category_id     uuid        not null,
    name            text        not null,
    description     text,
    -- Minor units of the restaurant's currency.
    price           bigint      not null,
    position        integer     not null,
    available       boolean     not null default true,
    -- Portions left; null: not counted.
    stock           integer,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    deleted_at      timestamptz,

    constraint menu_items_pkey primary key (restaurant_id, id),
    -- An id names one item wherever it is met.
    constraint menu_items_id_key unique (id),
    -- The category is of the same restaurant.
    constraint menu_items_category_fkey foreign key (restaurant_id, category_id)
        references menu_categories (restaurant_id, id),
    constraint menu_items_name_length check (char_length(name) between 1 and 120),
    constraint menu_items_price_range check (price between 0 and 100000000),
    -- Nothing is sold that is not there.
    constraint menu_items_stock_not_negative check (stock >= 0)
) with (fillfactor = 90);
comment on table menu_items is 'What can be ordered, at which price, and how much of it is left.';
create index menu_items_category_idx on menu_items (restaurant_id, category_id, position);

alter table menu_categories enable row level security;
alter table menu_categories force row level security;
create policy read on menu_categories for select using (true);
create policy add on menu_categories for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on menu_categories for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on menu_categories for delete using (restaurant_id = app_tenant() or app_platform());

alter table menu_items enable row level security;
alter table menu_items force row level security;
create policy read on menu_items for select using (true);
create policy add on menu_items for insert with check (restaurant_id = app_tenant() or app_platform());
-- A customer's order takes stock, and a customer's cancellation gives it back: hence the shop.
create policy change on menu_items for update
    using (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform())
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());
create policy remove on menu_items for delete using (restaurant_id = app_tenant() or app_platform());
