"""What accountLogin and validate tell about an account: the whole recorded shape."""

from __future__ import annotations

from typing import Any

from sandbox.icloud.account import Account

_ZERO = "00000000-0000-4000-8000-000000000000"
# webservices by name: the host's own part, and whether it needs PCS cookies
_HOSTS = {
    "account": ("setup", False),
    "archivews": ("archivews", False),
    "calendar": ("calendarws", False),
    "ckdatabasews": ("ckdatabasews", True),
    "ckdeviceservice": ("ckdevice", False),
    "cksharews": ("ckshare", False),
    "contacts": ("contactsws", False),
    "docws": ("docws", True),
    "drivews": ("drivews", True),
    "findme": ("fmipweb", False),
    "geows": ("geows", False),
    "iwmb": ("iwmb", False),
    "iworkexportws": ("iworkexportws", False),
    "iworkthumbnailws": ("iworkthumbnailws", False),
    "keyvalue": ("keyvalueservice", False),
    "mccgateway": ("mccgateway", False),
    "photos": ("photosws", True),
    "photosupload": ("uploadphotosws", True),
    "premiummailsettings": ("maildomainws", False),
    "push": ("pushws", False),
    "reminders": ("remindersws", False),
    "settings": ("settingsws", False),
    "ubiquity": ("ubiquityws", False),
    "uploadimagews": ("uploadimagews", False),
}
_PLAIN = {
    "developerapi": "https://developer-api.icloud.com:443",
    "mpp": "https://relay.icloud-mpp.com",
    "sharedlibrary": "https://sharedlibrary.icloud.com:443",
}
_TRUSTED_ONLY = ("ckdatabasews", "photosupload", "photos", "drivews", "docws")
_TRUE = (
    "ironcadeMigrated",
    "isCustomDomainsFeatureAvailable",
    "isHideMyEmailFeatureAvailable",
    "gilligan-invited",
    "gilligan-enabled",
    "ubiquityEOLEnabled",
    "primaryEmailVerified",
    "notesMigrated",
    "hasPaymentInfo",
    "brMigrated",
    "familyEligible",
    "hasICloudQualifyingDevice",
)
_FALSE = (
    "tantorMigrated",
    "brZoneConsolidated",
    "isManagedAppleID",
    "isPaidDeveloper",
    "analyticsOptInStatus",
    "pcsDeleted",
)
_URLS = {
    "accountCreateUI": "https://appleid.apple.com/widget/account/?widgetKey=#!create",
    "accountLoginUI": "https://idmsa.apple.com/appleauth/auth/signin?widgetKey=",
    "accountLogin": "https://setup.icloud.com/setup/ws/1/accountLogin",
    "accountRepairUI": "https://appleid.apple.com/widget/account/?widgetKey=#!repair",
    "accountAuthorizeUI": "https://idmsa.apple.com/appleauth/auth/authorize/signin?client_id=",
    "accountCreate": "https://setup.icloud.com/setup/ws/1/createLiteAccount",
    "downloadICloudTerms": "https://setup.icloud.com/setup/ws/1/downloadLiteTerms",
    "getICloudTerms": "https://setup.icloud.com/setup/ws/1/getTerms",
    "repairDone": "https://setup.icloud.com/setup/ws/1/repairDone",
    "vettingUrlForEmail": "https://id.apple.com/IDMSEmailVetting/vetShareEmail",
    "vettingUrlForPhone": "https://id.apple.com/IDMSEmailVetting/vetSharePhone",
}


def web_state(account: Account, trusted: bool) -> dict[str, Any]:
    """An untrusted session is told of fewer services."""
    return {
        "dsInfo": _person(account),
        "webservices": _services(account, trusted),
        "hasMinimumDeviceForPhotosWeb": True,
        "iCDPEnabled": account.protected,
        "hsaTrustedBrowser": trusted and (_has_factor(account) or account.trusts_browser),
        "hsaChallengeRequired": not trusted,
        **({"termsUpdateNeeded": True} if account.terms else {}),
        "pcsEnabled": True,
        "pcsDeleted": False,
        "pcsServiceIdentitiesIncluded": False,
        "isExtendedLogin": True,
        "version": 2,
        "apps": _apps(),
        "appsOrder": ["photos", "contacts"],
        "configBag": {"urls": _URLS, "accountCreateEnabled": True},
        "requestInfo": {"country": "US", "timeZone": "EST", "region": "NC"},
        "iCloudInfo": {"SafariBookmarksHasMigratedToCloudKit": True},
    }


def _has_factor(account: Account) -> bool:
    return account.second_factor != "none"


def _person(account: Account) -> dict[str, Any]:
    versions = {"none": account.hsa_version, "two_step": 1}
    return {
        **dict.fromkeys(_TRUE, True),
        **dict.fromkeys(_FALSE, False),
        **dict.fromkeys(("appleIdAlias", "iCloudAppleIdAlias", "ICDRSCapableDeviceList"), ""),
        "ICDRSCapableDeviceCount": 0,
        "ContinueOnDeviceEligibleDeviceInfo": [],
        "aDsID": f"000000-00-{_ZERO}",
        "appleId": account.apple_id,
        "appleIdAliases": [],
        "appleIdEntries": [{"isPrimary": True, "type": "EMAIL", "value": account.apple_id}],
        "beneficiaryInfo": {"isBeneficiary": False},
        "countryCode": account.country,
        "dsid": account.dsid,
        "firstName": "Demo",
        "fullName": "Demo Person",
        "hsaEnabled": _has_factor(account),
        "hsaVersion": versions.get(account.second_factor, 2),
        "iCDPEnabled": account.protected,
        "isWebAccessAllowed": account.web_access,
        "languageCode": "en-us",
        "lastName": "Person",
        "locale": "en-us_US",
        "locked": account.locked,
        "mailFlags": {
            "isThreadingAvailable": False,
            "isSearchV2Provisioned": False,
            "rawBits": [0, 0],
            "isCKMail": False,
            "isMppSupportedInCurrentCountry": True,
        },
        "notificationId": _ZERO,
        "primaryEmail": account.apple_id,
        "statusCode": 2,
    }


def _services(account: Account, trusted: bool) -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = {"schoolwork": {}}
    for name, (host, pcs) in _HOSTS.items():
        if not trusted and name in _TRUSTED_ONLY:
            continue
        services[name] = {"url": account.host(host), "status": "active"}
        if pcs:
            services[name]["pcsRequired"] = True
    for name, url in _PLAIN.items():
        services[name] = {"url": url, "status": "active"}
    del services["ckdeviceservice"]["status"]
    services["calendar"]["isMakoAccount"] = False
    services["account"]["iCloudEnv"] = {"shortId": "p", "vipSuffix": "prod"}
    if trusted:
        services["photos"]["uploadUrl"] = account.host("uploadphotosws")
    return services


def _apps() -> dict[str, dict[str, bool]]:
    plain = ("calendar", "reminders", "mail", "photos", "notes3", "iclouddrive", "contacts")
    return {
        **{name: {} for name in plain},
        **{name: {"isQualifiedForBeta": True} for name in ("keynote", "numbers", "pages")},
        **{name: {"canLaunchWithOneFactor": True} for name in ("settings", "find")},
        "newspublisher": {"isHidden": True},
    }
