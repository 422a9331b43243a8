-- Images of restaurants and of items. The files are stored by a provider; these rows contain their names there.

create table images (
    restaurant_id   uuid        not null references restaurants,
    id              uuid        not null,
    -- 'local' or 'cloudinary', and the name of the file there.
    provider        text        not null,
    key             text        not null,
    -- Its sizes and the URLs of its variants, as clients receive them; null until the provider has stored it.
    shown           json,
    created_at      timestamptz not null,
    -- Since when no restaurant or item refers to it; it is deleted some time later. Null: in use, or not checked yet.
    idle_since      timestamptz,

    constraint images_pkey primary key (restaurant_id, id),
    -- A key is used once, so that deleting one image never deletes another.
    constraint images_key_key unique (provider, key)
);
comment on table images is
    'Images at a provider. The row is written before the files and deleted after them, so that every file has one.';
create index images_idle_idx on images (idle_since) where idle_since is not null;

-- Not in the file of restaurants, because images refer to restaurants.
alter table restaurants
    add constraint restaurants_image_fkey foreign key (id, image_id) references images (restaurant_id, id);

alter table images enable row level security;
alter table images force row level security;
create policy read on images for select using (true);
create policy add on images for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on images for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on images for delete using (restaurant_id = app_tenant() or app_platform());

grant select, insert, update, delete on images to comanda_app;
