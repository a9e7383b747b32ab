SELECT day, name, org_id, raw, rolled, count() OVER (PARTITION BY day) AS total
FROM
(
SELECT day, name, org_id, anyIf(found, is_raw) AS raw, anyIf(found, NOT is_raw) AS rolled
FROM
(
SELECT day, side.1 AS name, org_id, true AS is_raw, side.2 AS found
FROM
(
WITH 11400714819323198485 * toUInt64(event.requests)
+ 4354685564936845355 * toUInt64(event.input_tokens)
+ 15755400384260043839 * toUInt64(event.cache_read_tokens)
+ 8709371129873690709 * toUInt64(event.cache_write_5m_tokens)
+ 1663341875487337577 * toUInt64(event.cache_write_1h_tokens)
+ 13064056694810536063 * toUInt64(event.output_tokens)
+ 6018027440424182931 * toUInt64(event.input_audio_tokens)
+ 17418742259747381417 * toUInt64(event.cache_read_audio_tokens)
+ 10372713005361028285 * toUInt64(event.output_audio_tokens)
+ 3326683750974675155 * toUInt64(event.input_image_tokens)
+ 14727398570297873639 * toUInt64(event.cache_read_image_tokens)
+ 7681369315911520509 * toUInt64(event.output_image_tokens)
+ 635340061525167377 * toUInt64(event.characters)
+ 12036054880848365863 * reinterpretAsUInt64(event.audio_seconds)
+ 4990025626462012731 * toUInt64(event.images)
+ 16390740445785211217 * toUInt64(event.video_seconds)
+ 9344711191398858085 * toUInt64(event.tool_calls)
+ 2298681937012504955 * toUInt64(event.reasoning_tokens)
+ 13699396756335703439 * reinterpretAsUInt64(event.input_cost)
+ 6653367501949350309 * reinterpretAsUInt64(event.cache_read_cost)
+ 18054082321272548793 * reinterpretAsUInt64(event.cache_write_cost)
+ 11008053066886195663 * reinterpretAsUInt64(event.output_cost)
+ 3962023812499842531 * reinterpretAsUInt64(event.audio_cost)
+ 15362738631823041017 * reinterpretAsUInt64(event.unit_cost)
+ 8316709377436687885 * reinterpretAsUInt64(event.cost)
+ 1270680123050334755 * reinterpretAsUInt64(event.cache_savings)
+ 12671394942373533239 * reinterpretAsUInt64(ifNull(event.provider_cost, toDecimal128(0, 12)))
+ 5625365687987180109 * toUInt64(toUInt64(event.provider_cost IS NOT NULL))
+ 17026080507310378593 * toUInt64(if(event.status = 'error', event.requests, 0))
+ 9980051252924025463 * toUInt64(event.partial_requests)
+ 2934021998537672331 * toUInt64(event.unpriced_requests)
+ 14334736817860870817 * toUInt64(event.cache_unpriced_requests)
+ 7288707563474517685 * toUInt64(toUInt64(ifNull(event.latency_ms, 0)))
+ 242678309088164555 * toUInt64(toUInt64(event.latency_ms IS NOT NULL))
+ 11643393128411363039 * toUInt64(toUInt64(ifNull(event.ttft_ms, 0)))
+ 4597363874025009909 * toUInt64(toUInt64(event.ttft_ms IS NOT NULL)) AS weight
SELECT toDate(event.occurred_at) AS day, org_id, [
toString(sum(event.requests)),
toString(sum(event.input_tokens)),
toString(sum(event.cache_read_tokens)),
toString(sum(event.cache_write_5m_tokens)),
toString(sum(event.cache_write_1h_tokens)),
toString(sum(event.output_tokens)),
toString(sum(event.input_audio_tokens)),
toString(sum(event.cache_read_audio_tokens)),
toString(sum(event.output_audio_tokens)),
toString(sum(event.input_image_tokens)),
toString(sum(event.cache_read_image_tokens)),
toString(sum(event.output_image_tokens)),
toString(sum(event.characters)),
toString(sum(event.audio_seconds)),
toString(sum(event.images)),
toString(sum(event.video_seconds)),
toString(sum(event.tool_calls)),
toString(sum(event.reasoning_tokens)),
toString(sum(event.input_cost)),
toString(sum(event.cache_read_cost)),
toString(sum(event.cache_write_cost)),
toString(sum(event.output_cost)),
toString(sum(event.audio_cost)),
toString(sum(event.unit_cost)),
toString(sum(event.cost)),
toString(sum(event.cache_savings)),
toString(sum(ifNull(event.provider_cost, toDecimal128(0, 12)))),
toString(sum(toUInt64(event.provider_cost IS NOT NULL))),
toString(sum(if(event.status = 'error', event.requests, 0))),
toString(sum(event.partial_requests)),
toString(sum(event.unpriced_requests)),
toString(sum(event.cache_unpriced_requests)),
toString(sum(toUInt64(ifNull(event.latency_ms, 0)))),
toString(sum(toUInt64(event.latency_ms IS NOT NULL))),
toString(sum(toUInt64(ifNull(event.ttft_ms, 0)))),
toString(sum(toUInt64(event.ttft_ms IS NOT NULL))),
toString(min(event.occurred_at)),
toString(max(event.occurred_at))] AS totals, [
('usage_15m', arrayPushBack(totals, toString(sum(cityHash64(toUnixTimestamp(toStartOfInterval(event.occurred_at, INTERVAL 15 MINUTE)), event.role, event.feature, event.action, event.agent_id, event.task_id, event.configuration_id, event.service, event.provider, event.model, event.key_source, event.status, event.error_type) * weight)))),
('usage_hourly', arrayPushBack(totals, toString(sum(cityHash64(toUnixTimestamp(toStartOfInterval(event.occurred_at, INTERVAL 1 HOUR)), event.role, event.feature, event.action, event.agent_id, event.task_id, event.configuration_id, event.service, event.provider, event.model, event.key_source, event.status, event.error_type) * weight)))),
('usage_daily', arrayPushBack(totals, toString(sum(cityHash64(toUnixTimestamp(toStartOfInterval(event.occurred_at, INTERVAL 1 DAY)), event.role, event.feature, event.action, event.agent_id, event.task_id, event.configuration_id, event.service, event.provider, event.model, event.key_source, event.status, event.error_type) * weight)))),
('user_daily', arrayPushBack(totals, toString(sum(cityHash64(toUnixTimestamp(toStartOfInterval(event.occurred_at, INTERVAL 1 DAY)), event.user_id, event.role, event.class_name, event.section, event.feature, event.key_source) * weight)))),
('latency_daily', [
toString(sum(toUInt64(event.latency_ms IS NOT NULL))),
toString(sum(cityHash64(toUnixTimestamp(toStartOfInterval(event.occurred_at, INTERVAL 1 DAY)), event.role, event.feature, event.provider, event.model, event.key_source, toUInt16(floor(16 * log2(1 + ifNull(event.latency_ms, 0))))) * (242678309088164555 * toUInt64(toUInt64(event.latency_ms IS NOT NULL)))))])
] AS sides
FROM usage_events AS event
WHERE toStartOfHour(event.occurred_at) >= {first:Date}
AND toStartOfHour(event.occurred_at) < {last:Date} + 1
AND toDate(event.occurred_at) IN {days:Array(Date)}
GROUP BY day, org_id
)
ARRAY JOIN sides AS side
UNION ALL
SELECT toDate(rolled.bucket) AS day, 'usage_15m' AS name, org_id, false AS is_raw, [
toString(sum(rolled.requests)),
toString(sum(rolled.input_tokens)),
toString(sum(rolled.cache_read_tokens)),
toString(sum(rolled.cache_write_5m_tokens)),
toString(sum(rolled.cache_write_1h_tokens)),
toString(sum(rolled.output_tokens)),
toString(sum(rolled.input_audio_tokens)),
toString(sum(rolled.cache_read_audio_tokens)),
toString(sum(rolled.output_audio_tokens)),
toString(sum(rolled.input_image_tokens)),
toString(sum(rolled.cache_read_image_tokens)),
toString(sum(rolled.output_image_tokens)),
toString(sum(rolled.characters)),
toString(sum(rolled.audio_seconds)),
toString(sum(rolled.images)),
toString(sum(rolled.video_seconds)),
toString(sum(rolled.tool_calls)),
toString(sum(rolled.reasoning_tokens)),
toString(sum(rolled.input_cost)),
toString(sum(rolled.cache_read_cost)),
toString(sum(rolled.cache_write_cost)),
toString(sum(rolled.output_cost)),
toString(sum(rolled.audio_cost)),
toString(sum(rolled.unit_cost)),
toString(sum(rolled.cost)),
toString(sum(rolled.cache_savings)),
toString(sum(rolled.provider_cost)),
toString(sum(rolled.provider_cost_requests)),
toString(sum(rolled.errors)),
toString(sum(rolled.partial_requests)),
toString(sum(rolled.unpriced_requests)),
toString(sum(rolled.cache_unpriced_requests)),
toString(sum(rolled.latency_sum)),
toString(sum(rolled.latency_requests)),
toString(sum(rolled.ttft_sum)),
toString(sum(rolled.ttft_requests)),
toString(min(rolled.first_seen)),
toString(max(rolled.last_seen)),
toString(sum(cityHash64(toUnixTimestamp(rolled.bucket), rolled.role, rolled.feature, rolled.action, rolled.agent_id, rolled.task_id, rolled.configuration_id, rolled.service, rolled.provider, rolled.model, rolled.key_source, rolled.status, rolled.error_type) * (11400714819323198485 * toUInt64(rolled.requests)
+ 4354685564936845355 * toUInt64(rolled.input_tokens)
+ 15755400384260043839 * toUInt64(rolled.cache_read_tokens)
+ 8709371129873690709 * toUInt64(rolled.cache_write_5m_tokens)
+ 1663341875487337577 * toUInt64(rolled.cache_write_1h_tokens)
+ 13064056694810536063 * toUInt64(rolled.output_tokens)
+ 6018027440424182931 * toUInt64(rolled.input_audio_tokens)
+ 17418742259747381417 * toUInt64(rolled.cache_read_audio_tokens)
+ 10372713005361028285 * toUInt64(rolled.output_audio_tokens)
+ 3326683750974675155 * toUInt64(rolled.input_image_tokens)
+ 14727398570297873639 * toUInt64(rolled.cache_read_image_tokens)
+ 7681369315911520509 * toUInt64(rolled.output_image_tokens)
+ 635340061525167377 * toUInt64(rolled.characters)
+ 12036054880848365863 * reinterpretAsUInt64(rolled.audio_seconds)
+ 4990025626462012731 * toUInt64(rolled.images)
+ 16390740445785211217 * toUInt64(rolled.video_seconds)
+ 9344711191398858085 * toUInt64(rolled.tool_calls)
+ 2298681937012504955 * toUInt64(rolled.reasoning_tokens)
+ 13699396756335703439 * reinterpretAsUInt64(rolled.input_cost)
+ 6653367501949350309 * reinterpretAsUInt64(rolled.cache_read_cost)
+ 18054082321272548793 * reinterpretAsUInt64(rolled.cache_write_cost)
+ 11008053066886195663 * reinterpretAsUInt64(rolled.output_cost)
+ 3962023812499842531 * reinterpretAsUInt64(rolled.audio_cost)
+ 15362738631823041017 * reinterpretAsUInt64(rolled.unit_cost)
+ 8316709377436687885 * reinterpretAsUInt64(rolled.cost)
+ 1270680123050334755 * reinterpretAsUInt64(rolled.cache_savings)
+ 12671394942373533239 * reinterpretAsUInt64(rolled.provider_cost)
+ 5625365687987180109 * toUInt64(rolled.provider_cost_requests)
+ 17026080507310378593 * toUInt64(rolled.errors)
+ 9980051252924025463 * toUInt64(rolled.partial_requests)
+ 2934021998537672331 * toUInt64(rolled.unpriced_requests)
+ 14334736817860870817 * toUInt64(rolled.cache_unpriced_requests)
+ 7288707563474517685 * toUInt64(rolled.latency_sum)
+ 242678309088164555 * toUInt64(rolled.latency_requests)
+ 11643393128411363039 * toUInt64(rolled.ttft_sum)
+ 4597363874025009909 * toUInt64(rolled.ttft_requests))))] AS found
FROM usage_15m AS rolled
WHERE rolled.bucket >= {first:Date}
AND rolled.bucket < {last:Date} + 1
AND toDate(rolled.bucket) IN {days:Array(Date)}
GROUP BY day, org_id
UNION ALL
SELECT toDate(rolled.bucket) AS day, 'usage_hourly' AS name, org_id, false AS is_raw, [
toString(sum(rolled.requests)),
toString(sum(rolled.input_tokens)),
toString(sum(rolled.cache_read_tokens)),
toString(sum(rolled.cache_write_5m_tokens)),
toString(sum(rolled.cache_write_1h_tokens)),
toString(sum(rolled.output_tokens)),
toString(sum(rolled.input_audio_tokens)),
toString(sum(rolled.cache_read_audio_tokens)),
toString(sum(rolled.output_audio_tokens)),
toString(sum(rolled.input_image_tokens)),
toString(sum(rolled.cache_read_image_tokens)),
toString(sum(rolled.output_image_tokens)),
toString(sum(rolled.characters)),
toString(sum(rolled.audio_seconds)),
toString(sum(rolled.images)),
toString(sum(rolled.video_seconds)),
toString(sum(rolled.tool_calls)),
toString(sum(rolled.reasoning_tokens)),
toString(sum(rolled.input_cost)),
toString(sum(rolled.cache_read_cost)),
toString(sum(rolled.cache_write_cost)),
toString(sum(rolled.output_cost)),
toString(sum(rolled.audio_cost)),
toString(sum(rolled.unit_cost)),
toString(sum(rolled.cost)),
toString(sum(rolled.cache_savings)),
toString(sum(rolled.provider_cost)),
toString(sum(rolled.provider_cost_requests)),
toString(sum(rolled.errors)),
toString(sum(rolled.partial_requests)),
toString(sum(rolled.unpriced_requests)),
toString(sum(rolled.cache_unpriced_requests)),
toString(sum(rolled.latency_sum)),
toString(sum(rolled.latency_requests)),
toString(sum(rolled.ttft_sum)),
toString(sum(rolled.ttft_requests)),
toString(min(rolled.first_seen)),
toString(max(rolled.last_seen)),
toString(sum(cityHash64(toUnixTimestamp(rolled.bucket), rolled.role, rolled.feature, rolled.action, rolled.agent_id, rolled.task_id, rolled.configuration_id, rolled.service, rolled.provider, rolled.model, rolled.key_source, rolled.status, rolled.error_type) * (11400714819323198485 * toUInt64(rolled.requests)
+ 4354685564936845355 * toUInt64(rolled.input_tokens)
+ 15755400384260043839 * toUInt64(rolled.cache_read_tokens)
+ 8709371129873690709 * toUInt64(rolled.cache_write_5m_tokens)
+ 1663341875487337577 * toUInt64(rolled.cache_write_1h_tokens)
+ 13064056694810536063 * toUInt64(rolled.output_tokens)
+ 6018027440424182931 * toUInt64(rolled.input_audio_tokens)
+ 17418742259747381417 * toUInt64(rolled.cache_read_audio_tokens)
+ 10372713005361028285 * toUInt64(rolled.output_audio_tokens)
+ 3326683750974675155 * toUInt64(rolled.input_image_tokens)
+ 14727398570297873639 * toUInt64(rolled.cache_read_image_tokens)
+ 7681369315911520509 * toUInt64(rolled.output_image_tokens)
+ 635340061525167377 * toUInt64(rolled.characters)
+ 12036054880848365863 * reinterpretAsUInt64(rolled.audio_seconds)
+ 4990025626462012731 * toUInt64(rolled.images)
+ 16390740445785211217 * toUInt64(rolled.video_seconds)
+ 9344711191398858085 * toUInt64(rolled.tool_calls)
+ 2298681937012504955 * toUInt64(rolled.reasoning_tokens)
+ 13699396756335703439 * reinterpretAsUInt64(rolled.input_cost)
+ 6653367501949350309 * reinterpretAsUInt64(rolled.cache_read_cost)
+ 18054082321272548793 * reinterpretAsUInt64(rolled.cache_write_cost)
+ 11008053066886195663 * reinterpretAsUInt64(rolled.output_cost)
+ 3962023812499842531 * reinterpretAsUInt64(rolled.audio_cost)
+ 15362738631823041017 * reinterpretAsUInt64(rolled.unit_cost)
+ 8316709377436687885 * reinterpretAsUInt64(rolled.cost)
+ 1270680123050334755 * reinterpretAsUInt64(rolled.cache_savings)
+ 12671394942373533239 * reinterpretAsUInt64(rolled.provider_cost)
+ 5625365687987180109 * toUInt64(rolled.provider_cost_requests)
+ 17026080507310378593 * toUInt64(rolled.errors)
+ 9980051252924025463 * toUInt64(rolled.partial_requests)
+ 2934021998537672331 * toUInt64(rolled.unpriced_requests)
+ 14334736817860870817 * toUInt64(rolled.cache_unpriced_requests)
+ 7288707563474517685 * toUInt64(rolled.latency_sum)
+ 242678309088164555 * toUInt64(rolled.latency_requests)
+ 11643393128411363039 * toUInt64(rolled.ttft_sum)
+ 4597363874025009909 * toUInt64(rolled.ttft_requests))))] AS found
FROM usage_hourly AS rolled
WHERE rolled.bucket >= {first:Date}
AND rolled.bucket < {last:Date} + 1
AND toDate(rolled.bucket) IN {days:Array(Date)}
GROUP BY day, org_id
UNION ALL
SELECT toDate(rolled.bucket) AS day, 'usage_daily' AS name, org_id, false AS is_raw, [
toString(sum(rolled.requests)),
toString(sum(rolled.input_tokens)),
toString(sum(rolled.cache_read_tokens)),
toString(sum(rolled.cache_write_5m_tokens)),
toString(sum(rolled.cache_write_1h_tokens)),
toString(sum(rolled.output_tokens)),
toString(sum(rolled.input_audio_tokens)),
toString(sum(rolled.cache_read_audio_tokens)),
toString(sum(rolled.output_audio_tokens)),
toString(sum(rolled.input_image_tokens)),
toString(sum(rolled.cache_read_image_tokens)),
toString(sum(rolled.output_image_tokens)),
toString(sum(rolled.characters)),
toString(sum(rolled.audio_seconds)),
toString(sum(rolled.images)),
toString(sum(rolled.video_seconds)),
toString(sum(rolled.tool_calls)),
toString(sum(rolled.reasoning_tokens)),
toString(sum(rolled.input_cost)),
toString(sum(rolled.cache_read_cost)),
toString(sum(rolled.cache_write_cost)),
toString(sum(rolled.output_cost)),
toString(sum(rolled.audio_cost)),
toString(sum(rolled.unit_cost)),
toString(sum(rolled.cost)),
toString(sum(rolled.cache_savings)),
toString(sum(rolled.provider_cost)),
toString(sum(rolled.provider_cost_requests)),
toString(sum(rolled.errors)),
toString(sum(rolled.partial_requests)),
toString(sum(rolled.unpriced_requests)),
toString(sum(rolled.cache_unpriced_requests)),
toString(sum(rolled.latency_sum)),
toString(sum(rolled.latency_requests)),
toString(sum(rolled.ttft_sum)),
toString(sum(rolled.ttft_requests)),
toString(min(rolled.first_seen)),
toString(max(rolled.last_seen)),
toString(sum(cityHash64(toUnixTimestamp(rolled.bucket), rolled.role, rolled.feature, rolled.action, rolled.agent_id, rolled.task_id, rolled.configuration_id, rolled.service, rolled.provider, rolled.model, rolled.key_source, rolled.status, rolled.error_type) * (11400714819323198485 * toUInt64(rolled.requests)
+ 4354685564936845355 * toUInt64(rolled.input_tokens)
+ 15755400384260043839 * toUInt64(rolled.cache_read_tokens)
+ 8709371129873690709 * toUInt64(rolled.cache_write_5m_tokens)
+ 1663341875487337577 * toUInt64(rolled.cache_write_1h_tokens)
+ 13064056694810536063 * toUInt64(rolled.output_tokens)
+ 6018027440424182931 * toUInt64(rolled.input_audio_tokens)
+ 17418742259747381417 * toUInt64(rolled.cache_read_audio_tokens)
+ 10372713005361028285 * toUInt64(rolled.output_audio_tokens)
+ 3326683750974675155 * toUInt64(rolled.input_image_tokens)
+ 14727398570297873639 * toUInt64(rolled.cache_read_image_tokens)
+ 7681369315911520509 * toUInt64(rolled.output_image_tokens)
+ 635340061525167377 * toUInt64(rolled.characters)
+ 12036054880848365863 * reinterpretAsUInt64(rolled.audio_seconds)
+ 4990025626462012731 * toUInt64(rolled.images)
+ 16390740445785211217 * toUInt64(rolled.video_seconds)
+ 9344711191398858085 * toUInt64(rolled.tool_calls)
+ 2298681937012504955 * toUInt64(rolled.reasoning_tokens)
+ 13699396756335703439 * reinterpretAsUInt64(rolled.input_cost)
+ 6653367501949350309 * reinterpretAsUInt64(rolled.cache_read_cost)
+ 18054082321272548793 * reinterpretAsUInt64(rolled.cache_write_cost)
+ 11008053066886195663 * reinterpretAsUInt64(rolled.output_cost)
+ 3962023812499842531 * reinterpretAsUInt64(rolled.audio_cost)
+ 15362738631823041017 * reinterpretAsUInt64(rolled.unit_cost)
+ 8316709377436687885 * reinterpretAsUInt64(rolled.cost)
+ 1270680123050334755 * reinterpretAsUInt64(rolled.cache_savings)
+ 12671394942373533239 * reinterpretAsUInt64(rolled.provider_cost)
+ 5625365687987180109 * toUInt64(rolled.provider_cost_requests)
+ 17026080507310378593 * toUInt64(rolled.errors)
+ 9980051252924025463 * toUInt64(rolled.partial_requests)
+ 2934021998537672331 * toUInt64(rolled.unpriced_requests)
+ 14334736817860870817 * toUInt64(rolled.cache_unpriced_requests)
+ 7288707563474517685 * toUInt64(rolled.latency_sum)
+ 242678309088164555 * toUInt64(rolled.latency_requests)
+ 11643393128411363039 * toUInt64(rolled.ttft_sum)
+ 4597363874025009909 * toUInt64(rolled.ttft_requests))))] AS found
FROM usage_daily AS rolled
WHERE rolled.bucket >= {first:Date}
AND rolled.bucket < {last:Date} + 1
AND toDate(rolled.bucket) IN {days:Array(Date)}
GROUP BY day, org_id
UNION ALL
SELECT toDate(rolled.bucket) AS day, 'user_daily' AS name, org_id, false AS is_raw, [
toString(sum(rolled.requests)),
toString(sum(rolled.input_tokens)),
toString(sum(rolled.cache_read_tokens)),
toString(sum(rolled.cache_write_5m_tokens)),
toString(sum(rolled.cache_write_1h_tokens)),
toString(sum(rolled.output_tokens)),
toString(sum(rolled.input_audio_tokens)),
toString(sum(rolled.cache_read_audio_tokens)),
toString(sum(rolled.output_audio_tokens)),
toString(sum(rolled.input_image_tokens)),
toString(sum(rolled.cache_read_image_tokens)),
toString(sum(rolled.output_image_tokens)),
toString(sum(rolled.characters)),
toString(sum(rolled.audio_seconds)),
toString(sum(rolled.images)),
toString(sum(rolled.video_seconds)),
toString(sum(rolled.tool_calls)),
toString(sum(rolled.reasoning_tokens)),
toString(sum(rolled.input_cost)),
toString(sum(rolled.cache_read_cost)),
toString(sum(rolled.cache_write_cost)),
toString(sum(rolled.output_cost)),
toString(sum(rolled.audio_cost)),
toString(sum(rolled.unit_cost)),
toString(sum(rolled.cost)),
toString(sum(rolled.cache_savings)),
toString(sum(rolled.provider_cost)),
toString(sum(rolled.provider_cost_requests)),
toString(sum(rolled.errors)),
toString(sum(rolled.partial_requests)),
toString(sum(rolled.unpriced_requests)),
toString(sum(rolled.cache_unpriced_requests)),
toString(sum(rolled.latency_sum)),
toString(sum(rolled.latency_requests)),
toString(sum(rolled.ttft_sum)),
toString(sum(rolled.ttft_requests)),
toString(min(rolled.first_seen)),
toString(max(rolled.last_seen)),
toString(sum(cityHash64(toUnixTimestamp(rolled.bucket), rolled.user_id, rolled.role, rolled.class_name, rolled.section, rolled.feature, rolled.key_source) * (11400714819323198485 * toUInt64(rolled.requests)
+ 4354685564936845355 * toUInt64(rolled.input_tokens)
+ 15755400384260043839 * toUInt64(rolled.cache_read_tokens)
+ 8709371129873690709 * toUInt64(rolled.cache_write_5m_tokens)
+ 1663341875487337577 * toUInt64(rolled.cache_write_1h_tokens)
+ 13064056694810536063 * toUInt64(rolled.output_tokens)
+ 6018027440424182931 * toUInt64(rolled.input_audio_tokens)
+ 17418742259747381417 * toUInt64(rolled.cache_read_audio_tokens)
+ 10372713005361028285 * toUInt64(rolled.output_audio_tokens)
+ 3326683750974675155 * toUInt64(rolled.input_image_tokens)
+ 14727398570297873639 * toUInt64(rolled.cache_read_image_tokens)
+ 7681369315911520509 * toUInt64(rolled.output_image_tokens)
+ 635340061525167377 * toUInt64(rolled.characters)
+ 12036054880848365863 * reinterpretAsUInt64(rolled.audio_seconds)
+ 4990025626462012731 * toUInt64(rolled.images)
+ 16390740445785211217 * toUInt64(rolled.video_seconds)
+ 9344711191398858085 * toUInt64(rolled.tool_calls)
+ 2298681937012504955 * toUInt64(rolled.reasoning_tokens)
+ 13699396756335703439 * reinterpretAsUInt64(rolled.input_cost)
+ 6653367501949350309 * reinterpretAsUInt64(rolled.cache_read_cost)
+ 18054082321272548793 * reinterpretAsUInt64(rolled.cache_write_cost)
+ 11008053066886195663 * reinterpretAsUInt64(rolled.output_cost)
+ 3962023812499842531 * reinterpretAsUInt64(rolled.audio_cost)
+ 15362738631823041017 * reinterpretAsUInt64(rolled.unit_cost)
+ 8316709377436687885 * reinterpretAsUInt64(rolled.cost)
+ 1270680123050334755 * reinterpretAsUInt64(rolled.cache_savings)
+ 12671394942373533239 * reinterpretAsUInt64(rolled.provider_cost)
+ 5625365687987180109 * toUInt64(rolled.provider_cost_requests)
+ 17026080507310378593 * toUInt64(rolled.errors)
+ 9980051252924025463 * toUInt64(rolled.partial_requests)
+ 2934021998537672331 * toUInt64(rolled.unpriced_requests)
+ 14334736817860870817 * toUInt64(rolled.cache_unpriced_requests)
+ 7288707563474517685 * toUInt64(rolled.latency_sum)
+ 242678309088164555 * toUInt64(rolled.latency_requests)
+ 11643393128411363039 * toUInt64(rolled.ttft_sum)
+ 4597363874025009909 * toUInt64(rolled.ttft_requests))))] AS found
FROM user_daily AS rolled
WHERE rolled.bucket >= {first:Date}
AND rolled.bucket < {last:Date} + 1
AND toDate(rolled.bucket) IN {days:Array(Date)}
GROUP BY day, org_id
UNION ALL
SELECT toDate(rolled.bucket) AS day, 'latency_daily' AS name, org_id, false AS is_raw, [
toString(sum(rolled.latency_requests)),
toString(sum(cityHash64(toUnixTimestamp(rolled.bucket), rolled.role, rolled.feature, rolled.provider, rolled.model, rolled.key_source, rolled.latency_bin) * (242678309088164555 * toUInt64(rolled.latency_requests))))] AS found
FROM latency_daily AS rolled
WHERE rolled.bucket >= {first:Date}
AND rolled.bucket < {last:Date} + 1
AND toDate(rolled.bucket) IN {days:Array(Date)}
GROUP BY day, org_id
)
GROUP BY day, name, org_id
)
WHERE raw != rolled AND NOT (name = 'latency_daily' AND arrayAll(text -> text = '0', arrayConcat(raw, rolled)))
ORDER BY day, name, org_id
LIMIT 50 BY day, name
