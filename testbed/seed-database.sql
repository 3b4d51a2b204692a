-- The monitoring database: five tables with rows, and three roles. The same on each run.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

-- Owns everything; may read everything; may read all tables but one.
CREATE ROLE monitoring LOGIN PASSWORD 'invented-database';
CREATE ROLE reader LOGIN PASSWORD 'invented-reader';
CREATE ROLE narrow LOGIN PASSWORD 'invented-narrow';

CREATE DATABASE monitoring_v2 OWNER monitoring;
\connect monitoring_v2
SET ROLE monitoring;

CREATE TABLE traces (
    trace_id VARCHAR(255) PRIMARY KEY,
    started_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP,
    src_extension VARCHAR(50) NOT NULL,
    dst_extension VARCHAR(50),
    sample_rate INTEGER DEFAULT 16000,
    channels INTEGER DEFAULT 1
);

CREATE TABLE metrics_agg_5s (
    trace_id VARCHAR(255) NOT NULL,
    station_key VARCHAR(50) NOT NULL,
    tap VARCHAR(10) NOT NULL,
    metric_key VARCHAR(100) NOT NULL,
    bucket_ts TIMESTAMP NOT NULL,
    bucket_ms INTEGER DEFAULT 5000,
    count INTEGER NOT NULL,
    min DOUBLE PRECISION,
    max DOUBLE PRECISION,
    avg DOUBLE PRECISION,
    last DOUBLE PRECISION,
    PRIMARY KEY (trace_id, station_key, tap, metric_key, bucket_ts)
);

CREATE TABLE audio_segments_5s (
    trace_id VARCHAR(255) NOT NULL,
    station_key VARCHAR(50) NOT NULL,
    tap VARCHAR(10) NOT NULL,
    bucket_ts TIMESTAMP NOT NULL,
    bucket_ms INTEGER DEFAULT 5000,
    sample_rate_hz INTEGER DEFAULT 16000,
    channels INTEGER DEFAULT 1,
    format VARCHAR(50) DEFAULT 'WAV_PCM_S16LE_MONO',
    file_path TEXT NOT NULL,
    PRIMARY KEY (trace_id, station_key, tap, bucket_ts)
);

CREATE TABLE knob_snapshots_5s (
    trace_id VARCHAR(255) NOT NULL,
    station_key VARCHAR(50) NOT NULL,
    bucket_ts TIMESTAMP NOT NULL,
    knob_values JSONB NOT NULL,
    PRIMARY KEY (trace_id, station_key, bucket_ts)
);

CREATE TABLE knob_events (
    event_id SERIAL PRIMARY KEY,
    trace_id VARCHAR(255),
    station_key VARCHAR(50),
    knob_key VARCHAR(100) NOT NULL,
    old_value JSONB,
    new_value JSONB,
    changed_by VARCHAR(100),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

-- 40 traces, 4,800 metrics, 48 segments (those of /var/monitoring), 480 snapshots, 60 events.
INSERT INTO traces
SELECT format('trace_%s', lpad(n::text, 4, '0')),
       timestamp '2025-10-11 08:00:00' + n * interval '37 minutes',
       CASE WHEN n % 10 > 0 THEN timestamp '2025-10-11 08:04:00' + n * interval '37 minutes' END,
       CASE WHEN n % 2 = 0 THEN '7777' ELSE '8888' END,
       CASE WHEN n % 2 = 0 THEN '8888' ELSE '7777' END
FROM generate_series(1, 40) AS n;

INSERT INTO metrics_agg_5s (trace_id, station_key, tap, metric_key, bucket_ts, count, min, max, avg, last)
SELECT t.trace_id, 'St_3', tap, metric, t.started_at + b * interval '5 seconds',
       250, b * 0.5, b * 2.25, b * 1.125, b
FROM traces AS t,
     unnest(ARRAY['PRE', 'POST']) AS tap,
     unnest(ARRAY['rms_dbfs', 'peak_dbfs', 'jitter_ms', 'drops', 'latency_ms']) AS metric,
     generate_series(0, 11) AS b;

INSERT INTO audio_segments_5s (trace_id, station_key, tap, bucket_ts, file_path)
SELECT t.trace_id, 'St_3', tap, t.started_at + b * interval '5 seconds',
       format('/var/monitoring/audio/%s/%s/St_3/%s/segment-%s.wav', t.started_at::date, t.trace_id, tap, b)
FROM traces AS t, unnest(ARRAY['PRE', 'POST']) AS tap, generate_series(1, 3) AS b
WHERE t.trace_id <= 'trace_0008';

INSERT INTO knob_snapshots_5s
SELECT t.trace_id, 'St_3', t.started_at + b * interval '5 seconds',
       jsonb_build_object('gain_db', b % 7 - 3, 'denoise', b % 2 = 0, 'note', 'naïve · “café”')
FROM traces AS t, generate_series(0, 11) AS b;

INSERT INTO knob_events (trace_id, station_key, knob_key, old_value, new_value, changed_by, created_at)
SELECT format('trace_%s', lpad((n % 40 + 1)::text, 4, '0')), 'St_3', 'gain_db',
       to_jsonb(n % 5), to_jsonb(n % 5 + 1), 'operator', timestamp '2025-10-12 00:00:00' + n * interval '11 minutes'
FROM generate_series(1, 60) AS n;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO reader, narrow;
GRANT SELECT ON traces, metrics_agg_5s, audio_segments_5s, knob_snapshots_5s TO narrow;
RESET ROLE;
-- Hints and statistics now, not on the first look at a host.
VACUUM (FREEZE, ANALYZE);
