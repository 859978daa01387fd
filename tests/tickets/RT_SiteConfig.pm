# Request Tracker under test: everything of it is in the folder RT_HERE, and no mail is sent.
Set($rtname, 'tests');
Set($Organization, 'tests.example');
Set($WebDomain, '127.0.0.1');
Set($WebPort, $ENV{RT_PORT});
Set($WebBaseURL, "http://127.0.0.1:$ENV{RT_PORT}");
Set($WebPath, '');
Set($CanonicalizeRedirectURLs, 0);
Set($DatabaseType, 'SQLite');
Set($DatabaseName, "$ENV{RT_HERE}/rt.sqlite");
Set($MailCommand, 'testfile');
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'error');
Set($LogDir, $ENV{RT_HERE});
Set(%GnuPG, Enable => 0);
Set(%SMIME, Enable => 0);
Set($Timezone, 'UTC');
1;
