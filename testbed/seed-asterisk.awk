# /etc/asterisk: 109 configuration files that Asterisk 16 starts with. The core of them says
# something, what the core reads at its start is all comments, as distributions ship it, and
# the rest belongs to modules that are not loaded.

function rnd(n) { x = (x * 16807) % 2147483647; return x % n }

function conf(name, sections, silent,    f, i, j) {
  f = dir "/" name
  print ";\n; " name "\n;" > f
  for (i = 1; i <= sections; i++) {
    print "\n" (silent ? ";" : "") "[section-" i "]" > f
    for (j = rnd(8) + 2; j > 0; j--) print "; option_" j " = " rnd(1000) (silent ? "" : "\nvalue_" j " => " rnd(100000)) > f
  }
  close(f)
}

function said(name, content,    f) {
  f = dir "/" name
  print content > f
  close(f)
}

BEGIN {
  x = 109
  n = split("acl adsi agents alarmreceiver amd app_mysql app_skel ari ast_debug_tools asterisk calendar ccss cdr cdr_adaptive_odbc cdr_beanstalkd cdr_custom cdr_manager cdr_odbc cdr_pgsql cdr_sqlite3_custom cdr_syslog cdr_tds cel cel_beanstalkd cel_custom cel_odbc cel_pgsql cel_sqlite3_custom cel_tds chan_dahdi chan_mobile cli cli_aliases cli_permissions codecs confbridge config_test console dbsep dnsmgr dsp dundi enum extconfig extensions_minivm features festival followme func_odbc geolocation hep http iax iaxprov indications logger manager meetme mgcp minivm misdn modules motif musiconhold muted ooh323 osp oss phone phoneprov pjproject pjsip_notify pjsip_wizard prometheus queuerules queues res_config_mysql res_config_odbc res_config_sqlite3 res_corosync res_curl res_fax res_http_media_cache res_ldap res_odbc res_parking res_pgsql res_pktccops res_snmp res_stun_monitor rtp say sip sip_notify skinny sla smdi sorcery ss7.timers stasis statsd stir_shaken telcordia-1 test_sorcery udptl unistim users voicemail", w, " ")
  m = split("acl ccss cdr cel cli cli_aliases cli_permissions codecs dnsmgr dsp enum extconfig features indications manager pjproject pjsip_notify pjsip_wizard sip_notify sorcery stasis udptl users", core, " ")
  for (i = 1; i <= m; i++) quiet[core[i]] = 1
  for (i = 1; i <= n && i <= 107; i++) conf(w[i] ".conf", rnd(12) + 1, w[i] in quiet)

  said("asterisk.conf", "[options]\nverbose = 0\ndebug = 0\nsystemname = translation")
  said("logger.conf", "[general]\n\n[logfiles]\nmessages => notice,warning,error")
  k = split("res_timing_timerfd res_sorcery_config res_sorcery_memory res_sorcery_astdb res_pjproject res_pjsip res_pjsip_session res_pjsip_authenticator_digest res_pjsip_endpoint_identifier_user res_pjsip_registrar res_pjsip_sdp_rtp res_rtp_asterisk chan_pjsip chan_sip res_http_websocket res_stasis res_stasis_answer res_stasis_playback res_ari_model res_ari res_ari_asterisk res_ari_channels res_ari_endpoints app_stasis app_dial bridge_simple codec_ulaw format_wav pbx_config", load, " ")
  list = "[modules]\nautoload = no"
  for (i = 1; i <= k; i++) list = list "\nload = " load[i] ".so"
  said("modules.conf", list)
  said("http.conf", "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = 8088")
  said("ari.conf", "[general]\nenabled = yes\n\n[translation]\ntype = user\npassword = invented-ari")
  said("rtp.conf", "[general]\nrtpstart = 10000\nrtpend = 10200")
  said("sip.conf", "[general]\ncontext = translation\nudpbindaddr = 0.0.0.0:5062\n\n[1001]\ntype = friend\nhost = dynamic\nsecret = invented-1001\n\n[1002]\ntype = friend\nhost = dynamic\nsecret = invented-1002")

  f = dir "/pjsip.conf"
  print "[transport-udp]\ntype=transport\nprotocol=udp\nbind=0.0.0.0:5060\n" > f
  for (i = 0; i < 4; i++) {
    e = i < 2 ? 7000 + i : 7777 + (i - 2) * 1111
    print "[" e "]\ntype=endpoint\ncontext=translation\ndisallow=all\nallow=ulaw\nauth=" e "\naors=" e "\n\n[" e "]\ntype=auth\nauth_type=userpass\nusername=" e "\npassword=invented-" e "\n\n[" e "]\ntype=aor\nmax_contacts=2\n" > f
  }
  close(f)
  said("extensions.conf", "[translation]\nexten => 7000,1,Answer()\n same => n,AudioSocket(40325ec2-5efd-4bd3-805f-53576e581d13,127.0.0.1:3000)\nexten => 7777,1,Stasis(translation)\nexten => 8888,1,Stasis(translation)")
}
