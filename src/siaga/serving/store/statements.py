"""Statements that both databases understand. {among_ids} compares with those of :ids, a JSON list."""

POSTS_KNOWN = "SELECT id, time_ms, language, country, place, lon FROM posts WHERE source = :source AND id {among_ids}"
PREDICTIONS_KNOWN = "SELECT post_id, model FROM predictions WHERE source = :source AND post_id {among_ids}"
PURGE = """
    UPDATE posts SET text = NULL, "user" = NULL, image_url = NULL, hashtags = NULL, fields = NULL, place = NULL,
        country = NULL, place_method = NULL, lon = NULL, lat = NULL, radius_m = NULL, deleted_ms = :now_ms
    WHERE source = :source AND id {among_ids} AND deleted_ms IS NULL"""
_MINUTE = "model, minute_ms, language, country, place, label"
MINUTE = f"""
    INSERT INTO minutes ({_MINUTE}, posts, errors, score_sum, score_squares, first_ms, last_ms)
    VALUES (:model, :minute_ms, :language, :country, :place, :label,
        :posts, :errors, :score_sum, :score_squares, :first_ms, :last_ms)
    ON CONFLICT ({_MINUTE}) DO UPDATE SET
        posts = minutes.posts + excluded.posts,
        errors = minutes.errors + excluded.errors,
        score_sum = minutes.score_sum + excluded.score_sum,
        score_squares = minutes.score_squares + excluded.score_squares,
        first_ms = CASE WHEN excluded.first_ms < minutes.first_ms THEN excluded.first_ms ELSE minutes.first_ms END,
        last_ms = CASE WHEN excluded.last_ms > minutes.last_ms THEN excluded.last_ms ELSE minutes.last_ms END"""  # noqa: S608 - Ours.

# What a prediction answers is no dead letter, whichever of the two comes first.
HAS_DEAD_LETTERS = "SELECT 1 FROM dead_letters WHERE post_id IS NOT NULL LIMIT 1"
ANSWERED = "DELETE FROM dead_letters WHERE source = :source AND post_id {among_ids} AND model = :model"
PURGE_DEAD_LETTERS = "UPDATE dead_letters SET raw = :nothing WHERE source = :source AND post_id {among_ids}"
DEAD_LETTER = """
    INSERT INTO dead_letters (input, model, part, position, reason, raw, source, post_id, kept_ms)
    SELECT :input, :model, :part, :position, :reason, :raw, :source, :post_id, :kept_ms
    WHERE NOT EXISTS (SELECT 1 FROM predictions WHERE source = :source AND post_id = :post_id AND model = :model)
    ON CONFLICT (input, model, part, position) DO NOTHING"""

OFFSET = """
    INSERT INTO offsets (input, model, part, position, is_done) VALUES (:input, :model, :part, :position, :is_done)
    ON CONFLICT (input, model, part) DO UPDATE SET position = excluded.position, is_done = excluded.is_done"""
ATTEMPT = """
    INSERT INTO attempts (input, model, part, position, attempts) VALUES (:input, :model, :part, :position, 1)
    ON CONFLICT (input, model, part, position) DO UPDATE SET attempts = attempts.attempts + 1
    RETURNING attempts"""
SETTLED = """
    DELETE FROM attempts WHERE input = :input AND model = :model AND part = :part AND position = :position"""
