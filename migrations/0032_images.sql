-- Pictures of restaurants and of what they sell. The files lie at a provider; here is where.

create table images (
    restaurant_id   uuid        not null references restaurants,
    id              uuid        not null,
    -- local or cloudinary, and the name of the picture there.
    provider        text        not null,
    key             text        not null,
    -- Its sizes and the addresses of its variants, as clients are told; null until the provider keeps it.
    shown           json,
    created_at      timestamptz not null,
    -- Since when it has been known that nothing shows it; it is removed a while later.
    idle_since      timestamptz,

    constraint images_pkey primary key (restaurant_id, id),
    -- A key is used once, so removing one picture never removes another.
    constraint images_key_key unique (provider, key)
);
comment on table images is 'Pictures at a provider. The row comes before the files and goes after them, so that every file has one.';
create index images_idle_idx on images (idle_since) where idle_since is not null;

alter table restaurants
    add column image_id uuid,
    add constraint restaurants_image_fkey foreign key (id, image_id) references images (restaurant_id, id);
alter table menu_items
    add column image_id uuid,
    add constraint menu_items_image_fkey foreign key (restaurant_id, image_id) references images (restaurant_id, id);
create index menu_items_image_idx on menu_items (restaurant_id, image_id) where image_id is not null;

alter table images enable row level security;
alter table images force row level security;
create policy read on images for select using (true);
create policy add on images for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on images for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on images for delete using (restaurant_id = app_tenant() or app_platform());
grant select, insert, update, delete on images to comanda_app;
