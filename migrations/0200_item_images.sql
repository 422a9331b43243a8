-- A deleted item shows no image, so that nothing but the menu's own statements writes what an item shows.

update menu_items set image_id = null where deleted_at is not null and image_id is not null;
alter table menu_items
    add constraint menu_items_deleted_image check (deleted_at is null or image_id is null);
comment on constraint menu_items_deleted_image on menu_items is 'A deleted item shows no image; the image is deleted with the next collection.';
