-- Words by which restaurants and dishes are found, prepared by the program (src/fold.rs) as what is looked for is: the
-- database compares them and folds nothing itself.

alter table restaurants add column search_words text[] not null default '{}';
comment on column restaurants.search_words is 'The words of its name and cuisines in small letters without accents; of scripts without spaces every end of a word. Written by src/fold.rs with the name.';

alter table menu_items add column search_words text[] not null default '{}';
comment on column menu_items.search_words is 'The words of its name, as restaurants.search_words.';

-- What was there before is found by its plain words until it is saved again.
update restaurants set search_words = tsvector_to_array(name_and_cuisines(name, cuisines));
update menu_items set search_words = tsvector_to_array(to_tsvector('simple'::regconfig, plain(name)));

drop function restaurants_matching(text[]);
drop index restaurants_words_idx;
drop index menu_items_words_idx;
drop function name_and_cuisines(text, text[]);
drop function plain(text);

create index restaurants_words_idx on restaurants using gin (array_to_tsvector(search_words));
create index menu_items_words_idx on menu_items using gin (array_to_tsvector(search_words)) where deleted_at is null;

create function beginning_with(word text) returns tsquery language sql immutable parallel safe strict
    return ('''' || replace(replace(word, '\', '\\'), '''', '''''') || ''':*')::tsquery;
comment on function beginning_with(text) is 'Looks for words that begin so, whatever signs are in it.';

create function restaurants_matching(words text[]) returns setof uuid language sql stable parallel safe
begin atomic
    select found.id from unnest(words) as word
    cross join lateral (
        select r.id from restaurants r where array_to_tsvector(r.search_words) @@ beginning_with(word)
        union
        select i.restaurant_id from menu_items i
        where i.deleted_at is null and array_to_tsvector(i.search_words) @@ beginning_with(word)) found
    group by found.id having count(distinct word) = cardinality(words);
end;
comment on function restaurants_matching(text[]) is 'Restaurants in which each word is found, as a beginning: in their name, their cuisines, or the name of something on their menu.';
