-- A slot knows until when it lasts, so that after a restaurant has changed how long its slots are those of before still
-- count where they overlap with those of now.

alter table slots add column ends_at timestamptz;
update slots s set ends_at = s.starts_at + make_interval(mins => r.slot_minutes) from restaurants r where r.id = s.restaurant_id;
alter table slots
    alter column ends_at set not null,
    add constraint slots_length check (ends_at > starts_at and ends_at <= starts_at + interval '240 minutes');
comment on column slots.ends_at is 'Until when it lasts: of slots of several lengths that begin together, the longest that somebody took.';
comment on constraint slots_length on slots is 'restaurants_slot_minutes_range: so what overlaps with a slot began at most so long before it.';
