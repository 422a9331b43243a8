-- The menu's version, beside the restaurant and no longer in it: a customer's order that sells out a dish gives the menu
-- its next version, and must not be able to touch the restaurant's own row.

create table menus (
    restaurant_id   uuid        primary key references restaurants on delete cascade,
    -- Grows with every change a guest can see, a dish that sells out or comes back included.
    version         bigint      not null,

    constraint menus_version_positive check (version >= 1)
) with (fillfactor = 50);
comment on table menus is 'How often each menu has changed. A restaurant without a row has a menu that never changed: version 1.';

insert into menus (restaurant_id, version) select id, menu_version from restaurants where menu_version > 1;
alter table restaurants drop column menu_version;

alter table menus enable row level security;
alter table menus force row level security;
create policy read on menus for select using (true);
create policy add on menus for insert
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());
create policy change on menus for update
    using (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform())
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());
grant select, insert, update on menus to comanda_app;
