# /etc/asterisk: 109 configuration files, as the distribution lays them out.

function rnd(n) { x = (x * 16807) % 2147483647; return x % n }

function conf(name, sections,    f, i, j) {
  f = dir "/" name
  print ";\n; " name "\n;" > f
  for (i = 1; i <= sections; i++) {
    print "\n[section-" i "]" > f
    for (j = rnd(8) + 2; j > 0; j--) print "; option_" j " = " rnd(1000) "\nvalue_" j " => " rnd(100000) > f
  }
  close(f)
}

BEGIN {
  x = 109
  n = split("acl adsi agents alarmreceiver amd app_mysql app_skel ari ast_debug_tools asterisk calendar ccss cdr cdr_adaptive_odbc cdr_beanstalkd cdr_custom cdr_manager cdr_odbc cdr_pgsql cdr_sqlite3_custom cdr_syslog cdr_tds cel cel_beanstalkd cel_custom cel_odbc cel_pgsql cel_sqlite3_custom cel_tds chan_dahdi chan_mobile cli cli_aliases cli_permissions codecs confbridge config_test console dbsep dnsmgr dsp dundi enum extconfig extensions_minivm features festival followme func_odbc geolocation hep http iax iaxprov indications logger manager meetme mgcp minivm misdn modules motif musiconhold muted ooh323 osp oss phone phoneprov pjproject pjsip_notify pjsip_wizard prometheus queuerules queues res_config_mysql res_config_odbc res_config_sqlite3 res_corosync res_curl res_fax res_http_media_cache res_ldap res_odbc res_parking res_pgsql res_pktccops res_snmp res_stun_monitor rtp say sip sip_notify skinny sla smdi sorcery ss7.timers stasis statsd stir_shaken telcordia-1 test_sorcery udptl unistim users voicemail", w, " ")
  for (i = 1; i <= n && i <= 107; i++) conf(w[i] ".conf", rnd(12) + 1)

  f = dir "/pjsip.conf"
  print "[transport-udp]\ntype=transport\nprotocol=udp\nbind=0.0.0.0:5060\n" > f
  for (i = 0; i < 4; i++) {
    e = i < 2 ? 7000 + i : 7777 + (i - 2) * 1111
    print "[" e "]\ntype=endpoint\ncontext=translation\ndisallow=all\nallow=ulaw\nauth=" e "\naors=" e "\n\n[" e "]\ntype=auth\nauth_type=userpass\nusername=" e "\npassword=invented-" e "\n\n[" e "]\ntype=aor\nmax_contacts=2\n" > f
  }
  close(f)
  f = dir "/extensions.conf"
  print "[translation]\nexten => 7000,1,Answer()\n same => n,AudioSocket(40325ec2-5efd-4bd3-805f-53576e581d13,127.0.0.1:3000)\nexten => 7777,1,Stasis(translation)\nexten => 8888,1,Stasis(translation)" > f
  close(f)
}
