-- Search of restaurants by words of their names, cuisines, categories and items. No extension is required.

create function beginning_with(word text) returns tsquery language sql immutable parallel safe strict
    return ('''' || replace(replace(word, '\', '\\'), '''', '''''') || ''':*')::tsquery;
comment on function beginning_with(text) is
    'The pattern of words that begin with this one, whatever characters it contains.';

create function restaurants_matching(words text[]) returns setof uuid language sql stable parallel safe
begin atomic
    select found.id from unnest(words) as word
    cross join lateral (
        select r.id from restaurants r where array_to_tsvector(r.search_words) @@ beginning_with(word)
        union
        select i.restaurant_id from menu_items i
        where i.deleted_at is null and array_to_tsvector(i.search_words) @@ beginning_with(word)
        union
        select c.restaurant_id from menu_categories c
        where c.deleted_at is null and array_to_tsvector(c.search_words) @@ beginning_with(word)
            and exists (select from menu_items i where i.restaurant_id = c.restaurant_id and i.category_id = c.id
                        and i.deleted_at is null)) found
    group by found.id having count(distinct word) = cardinality(words);
end;
comment on function restaurants_matching(text[]) is
    'Restaurants in which each word is the beginning of a word of their name, of their cuisines, of an item''s name or of '
    'the name of a category with items.';
