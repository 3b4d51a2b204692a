# The translation application: 980 files of 26 MB that a checkpoint takes, and beside
# them what it leaves out (node_modules, logs, recordings, old checkpoints).
#
# Without `write` it prints the directories it needs; with it, it writes the files.
# The same on each run: numbers come from a Park-Miller generator, exact in any awk.

function rnd(n) { x = (x * 16807) % 2147483647; return x % n }

function text(file, bytes, style,    len, line) {
  printf "" > file
  for (len = 0; len < bytes; len += length(line) + 1) {
    line = word[rnd(W)] "_" rnd(1000)
    if (style == "js") line = "const " line " = require('./" word[rnd(W)] "')(" rnd(65536) ");"
    else if (style == "html") line = "<div class=\"" word[rnd(W)] "\" id=\"" line "\">" word[rnd(W)] " " rnd(9999) "</div>"
    else if (style == "json") line = "  \"" line "\": { \"" word[rnd(W)] "\": " rnd(100000) " },"
    else if (style == "css") line = "." line " { margin: " rnd(64) "px; padding: " rnd(64) "px; }"
    else if (style == "svg") line = "<path d=\"M" rnd(999) " " rnd(999) "L" rnd(999) " " rnd(999) "\"/>"
    else line = line " " word[rnd(W)] " " word[rnd(W)] " " word[rnd(W)] " " rnd(100) "."
    print line > file
  }
  close(file)
}

# Bytes that no compressor shrinks much; never 0, for not every awk can print it.
function noise(file, bytes,    len, s, i) {
  for (len = 0; len < bytes; len += 192) {
    s = ""
    for (i = 0; i < 64; i++) {
      x = (x * 16807) % 2147483647
      s = s chr[x % 255] chr[int(x / 255) % 255] chr[int(x / 65025) % 255]
    }
    printf "%s", s > file
  }
  close(file)
}

function put(path, bytes, style,    d) {
  if (!write) {
    d = path
    if (!sub(/\/[^\/]*$/, "", d)) d = "."
    if (!(d in seen)) { seen[d] = 1; print d }
    return
  }
  if (style == "bin") noise(dir "/" path, bytes)
  else text(dir "/" path, bytes, style)
}

# COUNT files DIR/STEM-001.EXT …, each between half and one and a half times MEAN bytes.
function many(d, stem, ext, count, mean, style,    i) {
  for (i = 1; i <= count; i++)
    put(sprintf("%s/%s-%03d.%s", d, stem, i, ext), int(mean / 2) + rnd(mean), style)
}

function listed(d, names, mean, style,    n, part, i) {
  n = split(names, part, " ")
  for (i = 1; i <= n; i++) put((d == "" ? "" : d "/") part[i], int(mean / 2) + rnd(mean), style)
}

BEGIN {
  x = 20261121
  for (i = 0; i < 255; i++) chr[i] = sprintf("%c", i + 1)
  W = split("audio stream buffer worker channel bridge station metric knob gateway socket frame pacing codec caller extension transcript latency segment monitor", w, " ")
  for (i = 1; i <= W; i++) word[i - 1] = w[i]

  # 263 scripts
  listed("", "conference-server.js audiosocket-integration.js audiosocket-orchestrator.js asr-streaming-worker.js asterisk-ari-handler.js deepl-incremental-mt.js elevenlabs-tts-service.js hume-evi-adapter.js confbridge-manager.js frame-collector.js pacing-governor.js server.js audio-converter.js", 24000, "js")
  listed("7777-8888-stack", "gateway-7777-8888.js monitor-7777-8888.js conference-server-externalmedia.js externalmedia-integration.js externalmedia-orchestrator.js", 30000, "js")
  m = "STTTTSserver/Monitoring_Stations"
  listed(m, "audio/AudioRecorder.js audio/AudioWriter.js bridge/BackpressurePolicy.js bridge/DatabaseBridge.js bridge/MetricsEmitter.js station/generic/Aggregator.js station/generic/KnobsRegistry.js station/generic/KnobsResolver.js station/generic/MetricsRegistry.js station/generic/St_Handler_Generic.js station/stations/Station3_3333_Handler.js MonitoringStationsBootstrap.js", 9000, "js")
  listed("", "STTTTSserver/STTTTSserver.js", 180000, "js")
  many("lib", "module", "js", 80, 18000, "js")
  many("hmlcp", "layer", "js", 52, 16000, "js")
  many("manual-backups/2025-11-11", "module", "js", 100, 18000, "js")
  # 84 pages
  listed("public", "dashboard.html dashboard-room2.html", 60000, "html")
  many("public", "page", "html", 42, 28000, "html")
  many("public/tests", "test", "html", 40, 20000, "html")
  # 7 shell scripts, 5 settings and package files
  listed("", "create-checkpoint.sh restore-checkpoint.sh start-server-with-checkpoint.sh start-all.sh stop-all.sh rotate.sh deploy.sh", 3000, "txt")
  listed("", "package.json package-lock.json .gitignore STTTTSserver/package.json", 4000, "json")
  listed("", m "/config/monitoring.config.json", 2000, "json")
  # documents, data, pictures; docs/README.md is a second name of README.md
  listed("", "README.md CHECKPOINT_SYSTEM.md docs/naïve-café.md", 9000, "txt")
  put("docs/test plan (final).md", 12000, "txt")
  put("docs/-leading-dash.md", 100, "txt")
  put("docs/empty.md", 0, "txt")
  many("docs", "guide", "md", 150, 14000, "txt")
  many("config", "gateway", "json", 9, 4000, "json")
  many("config/locales", "phrases", "json", 80, 24000, "json")
  many("public/css", "theme", "css", 40, 9000, "css")
  many("public/icons", "icon", "svg", 100, 5000, "svg")
  many("public/images", "shot", "png", 90, 118000, "bin")
  many("tools/reports", "report", "txt", 142, 13000, "txt")
  put("models/vad.bin", 2300000, "bin")

  # Left out of a checkpoint.
  many("node_modules/ws/lib", "part", "js", 40, 8000, "js")
  many("node_modules/pg/node_modules/pg-types", "type", "js", 25, 6000, "js")
  many("checkpoints/checkpoint-20251028-173204", "copy", "js", 16, 8000, "js")
  many("logs", "gateway", "log", 6, 60000, "txt")
  many("recordings", "call", "wav", 6, 120000, "bin")
  listed("", "conference-server.js.bak server.log", 8000, "js")

  if (!write) exit
  f = dir "/README.md"; f0 = dir "/.env"
  print "PORT=3000\nDEEPGRAM_API_KEY=invented-key-1\nDEEPL_API_KEY=invented-key-2\nMONITORING_ENABLED=true\nMONITORING_DB=monitoring_v2\nMONITORING_AUDIO_PATH=/var/monitoring/audio\nMONITORING_RETENTION_HOURS=72\nPGPASSWORD=invented-database" > f0
  close(f0)
  f0 = dir "/.env.externalmedia"
  print "PORT=3002\nARI_PASSWORD=invented-ari" > f0
  close(f0)
}
